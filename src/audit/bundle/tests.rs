use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::container::Opened;
use super::*;
use crate::audit::log::LogKey;

fn key() -> LogKey {
    LogKey::new("spotcheck.example/log", &[1; 32]).unwrap()
}

fn some() -> Members {
    let members = [("plan.json", "{}"), ("log/checkpoint", "head"), ("log/entries.jsonl", "")];
    members.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

fn packed() -> Vec<u8> {
    pack("whole", "p-1", &some(), |digest| key().bundle_note(digest)).unwrap()
}

/// The archive with its entries changed: name, bytes, how often.
fn repacked(bytes: &[u8], change: impl Fn(&str, Vec<u8>) -> Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file.name().unwrap().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).unwrap();
        for (name, content) in change(&name, content) {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(&content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn same(name: &str, content: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), content)]
}

#[test]
fn what_was_packed_is_opened() {
    assert_eq!(packed(), packed(), "the same members make the same bytes");
    assert!(is_bundle(&packed()) && !is_bundle(b"{\"plan\":"));
    let Opened { form, plan, manifest, signature, members } = open(&packed()).unwrap();
    assert_eq!((form.as_str(), plan.as_str(), &members), ("whole", "p-1", &some()));
    crate::audit::log::verify_bundle_note(&signature, key().verifier(), &manifest).unwrap();
    assert_eq!(open(&repacked(&packed(), same)).unwrap().members, some());
}

#[test]
fn attack_a_member_is_altered_removed_added_or_doubled() {
    let bytes = packed();
    let altered = repacked(&bytes, |name, content| match name {
        "plan.json" => same(name, b"[]".to_vec()),
        _ => same(name, content),
    });
    assert!(matches!(open(&altered), Err(BundleError::Altered { .. })));
    for gone in ["plan.json", "log/checkpoint", "manifest.json", "manifest.note"] {
        let removed = repacked(
            &bytes,
            |name, content| {
                if name == gone { Vec::new() } else { same(name, content) }
            },
        );
        assert!(matches!(open(&removed), Err(BundleError::Missing(name)) if name == gone));
    }
    let added = repacked(&bytes, |name, content| {
        let mut both = same(name, content);
        if name == "plan.json" {
            both.extend(same("extra.txt", b"x".to_vec()));
        }
        both
    });
    assert!(matches!(open(&added), Err(BundleError::Surplus(name)) if name == "extra.txt"));
    // The same name twice, which no writer makes: one entry is renamed in the bytes.
    let doubled = repacked(&bytes, |name, content| {
        let mut both = same(name, content);
        if name == "plan.json" {
            both.extend(same("plan.jsom", b"[]".to_vec()));
        }
        both
    });
    let doubled = rename(doubled, b"plan.jsom", b"plan.json");
    let error = open(&doubled).unwrap_err();
    let refused = matches!(
        error,
        BundleError::Surplus(_) | BundleError::Altered { .. } | BundleError::Zip(_)
    );
    assert!(refused, "{error}");
    let longer = [bytes.clone(), b"tail".to_vec()].concat();
    assert!(open(&longer).is_err());
    for cut in [0, 1, 30, bytes.len() / 2, bytes.len() - 1] {
        assert!(open(&bytes[..cut]).is_err(), "{cut}");
    }
}

fn rename(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

#[test]
fn attack_a_bomb_is_not_unpacked() {
    // A member of a megabyte of zeros where the manifest lists two bytes, and one that the
    // manifest itself makes too large.
    let bomb = vec![0u8; 64 << 20];
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let archive = packed();
    let mut archive = ZipArchive::new(Cursor::new(&archive[..])).unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file.name().unwrap().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).unwrap();
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(if name == "plan.json" { &bomb } else { &content }).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 20);
    assert!(matches!(open(&bytes), Err(BundleError::Altered { .. })));
    let manifest = repacked(&packed(), |name, content| {
        let text =
            String::from_utf8_lossy(&content).replacen("\"bytes\":2", "\"bytes\":9999999999", 1);
        same(name, if name == "manifest.json" { text.into_bytes() } else { content })
    });
    assert!(matches!(open(&manifest), Err(BundleError::TooLarge)));
}
