use super::*;

/// The zero key's keystream, as RFC 8439 (appendix A.1, test vectors 1 and 2) prints its bytes.
const ZERO_BLOCKS: [&str; 2] = [
    "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
     da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
    "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
     29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
];

fn key() -> DrawKey {
    let seed = Seed::from_text(HashName::Sha256, "31415926").unwrap();
    DrawKey::new(HashName::Sha256, &seed, &Digest::of(b"input"))
}

#[test]
fn the_stream_is_the_keystream_of_the_rfc() {
    let mut stream = Stream::from_sub_key([0; 32]);
    let bytes: Vec<u8> = (0..16).flat_map(|_| stream.next_u64().to_le_bytes()).collect();
    assert_eq!(hex::encode(bytes), ZERO_BLOCKS.concat());
    assert_eq!(Stream::from_sub_key([0; 32]).next_u64(), 0x903d_f1a0_ade0_b876);
}

#[test]
fn buffering_leaves_the_sequence_alone() {
    let mut stream = Stream::from_sub_key([7; 32]);
    let mut plain = ChaCha20Rng::from_seed([7; 32]);
    for _ in 0..3 * BUFFER_BYTES / 8 + 1 {
        assert_eq!(stream.next_u64(), plain.next_u64());
    }
}

#[test]
fn golden_keys() {
    let seed = Seed::from_text(HashName::Sha256, "31415926").unwrap();
    assert_eq!(
        hex::encode(seed.0),
        "1079907da9c4750515513cd15352a4734b587542dbc7313b32a73093a911e32b"
    );
    assert_eq!(
        hex::encode(key().key),
        "6dd01dcd5c8ce47000bed49face9eebe0f1772ad5fac21ad0ac59b450ea11d22"
    );
    assert_eq!(
        key().digest().to_string(),
        "be38a624c91aabc95a2cbcdb817262c1bbfae459f4d6a01999be5617b7983ed0"
    );
    assert_eq!(
        hex::encode(key().sub_key("lots").key),
        "f0d5ff24c7e05fef99b8a6a02b8bcf82a89971d9bdf1699b2de7fa478b48054e"
    );
}

#[test]
fn golden_keys_of_sm3() {
    let seed = Seed::from_text(HashName::Sm3, "31415926").unwrap();
    let key = DrawKey::new(HashName::Sm3, &seed, &Digest::of(b"input"));
    assert_eq!(
        hex::encode(seed.0),
        "58f90c0115ee9aa2cbbea86632652de8fd6f27376333b6b162232fc9a739a758"
    );
    assert_eq!(
        hex::encode(key.key),
        "2734299767e9f7fd26b9a7535c4abdc128927f2372d7815cc68e2807e72870ff"
    );
    assert_eq!(
        key.digest().to_string(),
        "9ca819b225e074f68547e51b1bdc8ec0d9770192eb291a383febc944a15d038d"
    );
    assert_eq!(
        hex::encode(key.sub_key("lots").key),
        "be6d8d0c756b266c2cac08a8df0959caa6e97028d58791ad09808260ff8d390c"
    );
    assert_eq!(key.derive("waves").sub_key("x").hash, HashName::Sm3);
}

#[test]
fn golden_bounded_integers() {
    let mut stream = key().stream("golden");
    let bounds = [1, 2, 3, 5, 6, 7, 100, 1 << 32, (1 << 32) + 1, u64::MAX];
    let drawn: Vec<u64> = bounds.iter().map(|n| stream.below(*n)).collect();
    assert_eq!(
        drawn,
        [0, 1, 1, 4, 1, 6, 27, 3_747_937_819, 960_381_722, 17_021_727_152_606_912_162]
    );
    assert_eq!(stream.next_u64(), 9_864_847_160_249_289_027);
}

#[test]
fn golden_shuffle() {
    let mut items: Vec<u32> = (0..12).collect();
    key().stream("golden").shuffle(&mut items);
    assert_eq!(items, [0, 10, 8, 2, 11, 3, 1, 6, 4, 9, 7, 5]);
}

#[test]
fn one_takes_no_word() {
    let mut stream = Stream::from_sub_key([0; 32]);
    assert_eq!(stream.below(1), 0);
    stream.shuffle(&mut [0]);
    stream.shuffle::<u8>(&mut []);
    assert_eq!(stream.next_u64(), 0x903d_f1a0_ade0_b876);
}

#[test]
#[should_panic(expected = "n >= 1")]
fn nothing_is_below_zero() {
    let _ = Stream::from_sub_key([0; 32]).below(0);
}

#[test]
fn rejection_takes_the_smallest_mask() {
    // The first words that a stream gives below n are those whose low bits are less than n.
    for n in [2u64, 3, 4, 5, 8, 9, 1000, 1 << 20, (1 << 33) - 1] {
        let mask = n.next_power_of_two() - 1;
        let mut words = Stream::from_sub_key([1; 32]);
        let expected: Vec<u64> = std::iter::repeat_with(|| words.next_u64() & mask)
            .filter(|w| *w < n)
            .take(50)
            .collect();
        let mut stream = Stream::from_sub_key([1; 32]);
        let drawn: Vec<u64> = (0..50).map(|_| stream.below(n)).collect();
        assert_eq!(drawn, expected, "n = {n}");
    }
}

#[test]
fn shuffles_are_uniform() {
    // 24 orders of 4 items, 24,000 shuffles: chi-square with 23 degrees of freedom exceeds 60
    // for one stream in 28,000. The stream is fixed, so the test can't flicker.
    let mut stream = Stream::from_sub_key([2; 32]);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..24_000 {
        let mut items = [0u8, 1, 2, 3];
        stream.shuffle(&mut items);
        *counts.entry(items).or_insert(0i64) += 1;
    }
    assert_eq!(counts.len(), 24);
    let chi_square: i64 = counts.values().map(|n| (n - 1000).pow(2)).sum::<i64>() / 1000;
    assert!(chi_square < 60, "{chi_square}");
}

#[test]
fn labels_inputs_and_seeds_separate() {
    let other_input = DrawKey::new(
        HashName::Sha256,
        &Seed::from_text(HashName::Sha256, "31415926").unwrap(),
        &Digest::of(b"other"),
    );
    let other_seed = DrawKey::new(
        HashName::Sha256,
        &Seed::from_text(HashName::Sha256, "31415927").unwrap(),
        &Digest::of(b"input"),
    );
    let keys = [key().sub_key("a"), key().sub_key("b"), other_input.sub_key("a")];
    let keys = [keys[0], keys[1], keys[2], other_seed.sub_key("a"), key().sub_key("")];
    for (i, one) in keys.iter().enumerate() {
        assert!(keys[..i].iter().all(|other| other != one));
    }
}

#[test]
fn seed_texts_count_as_typed() {
    assert_ne!(
        Seed::from_text(HashName::Sha256, "1 2").unwrap(),
        Seed::from_text(HashName::Sha256, "1  2").unwrap()
    );
    // A precomposed letter and its decomposition are different texts.
    assert_ne!(
        Seed::from_text(HashName::Sha256, "\u{e9}").unwrap(),
        Seed::from_text(HashName::Sha256, "e\u{301}").unwrap()
    );
    assert!(Seed::from_text(HashName::Sha256, "二〇二六年 骰子 6 1 3").is_ok());
    assert!(Seed::from_text(HashName::Sha256, &"6".repeat(SEED_TEXT_BYTES_MAX)).is_ok());
}

#[test]
fn bad_seed_texts_are_refused() {
    assert_eq!(Seed::from_text(HashName::Sha256, ""), Err(SeedError::Empty));
    let long = "6".repeat(SEED_TEXT_BYTES_MAX + 1);
    assert_eq!(Seed::from_text(HashName::Sha256, &long), Err(SeedError::TooLong { bytes: 4097 }));
    for (text, at) in [("12\n", 2), ("1\t2", 1), ("\u{7f}", 0), ("1\u{85}", 1), ("骰\u{0}", 3)] {
        let error = Seed::from_text(HashName::Sha256, text).unwrap_err();
        assert!(matches!(error, SeedError::Control { at: a, .. } if a == at), "{error}");
    }
    for text in [" 12", "12 ", "\u{3000}12", "12\u{a0}", " "] {
        let error = Seed::from_text(HashName::Sha256, text).unwrap_err();
        assert!(matches!(error, SeedError::OuterSpace { .. }), "{error}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let seed = Seed([0xab; 32]);
    assert!(!format!("{seed:?}").contains("ab"));
    let shown = format!("{:?}", key());
    assert!(!shown.contains(&hex::encode(key().key)), "{shown}");
    assert!(shown.contains(&key().digest().to_string()));
}
