//! Ten thousand malformed requests to every method, made from the descriptors: each gets a proper status,
//! nothing panics, nothing leaks, and the server answers as before.

mod cli_support;

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};
use cli_support::{Server, World, at};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use spotcheck::service::v1;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const REQUESTS: usize = 10_000;

/// Sends bytes as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Messages of the interface by their full names, and its methods.
struct Interface {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
    /// Path and request.
    methods: Vec<(String, String)>,
}

impl Interface {
    fn new() -> Self {
        let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
        let mut all =
            Interface { messages: BTreeMap::new(), enums: BTreeMap::new(), methods: Vec::new() };
        for file in &files {
            for message in &file.message_type {
                all.add(&format!(".{}", file.package()), message);
            }
            for one in &file.enum_type {
                all.enums.insert(format!(".{}.{}", file.package(), one.name()), one.clone());
            }
            for service in &file.service {
                for method in &service.method {
                    let (package, service) = (file.package(), service.name());
                    let path = format!("/{package}.{service}/{}", method.name());
                    all.methods.push((path, method.input_type().to_owned()));
                }
            }
        }
        all
    }

    fn add(&mut self, scope: &str, message: &DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
        for one in &message.enum_type {
            self.enums.insert(format!("{name}.{}", one.name()), one.clone());
        }
        self.messages.insert(name, message.clone());
    }

    /// A random message of a type: well formed, and seldom sensible.
    fn message(&self, name: &str, depth: u32, rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(message) = self.messages.get(name) else { return bytes };
        for field in &message.field {
            let often = if depth == 0 { 0.8 } else { 0.5 };
            if !rng.random_bool(often) {
                continue;
            }
            let repeated = field.label() == Label::Repeated;
            let times = if repeated { rng.random_range(0..4) } else { 1 };
            for _ in 0..times {
                let number = field.number() as u32;
                match field.r#type() {
                    Type::Message => {
                        let deeper = depth + 1;
                        let inner = if deeper > 5 {
                            Vec::new()
                        } else {
                            self.message(field.type_name(), deeper, rng)
                        };
                        framed(number, &inner, &mut bytes);
                    }
                    Type::String => framed(number, text(rng).as_bytes(), &mut bytes),
                    Type::Bytes => {
                        let mut inner = vec![0; rng.random_range(0..200)];
                        rng.fill_bytes(&mut inner);
                        framed(number, &inner, &mut bytes);
                    }
                    Type::Double => {
                        encode_key(number, WireType::SixtyFourBit, &mut bytes);
                        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 0.5];
                        bytes.put_f64_le(odd[rng.random_range(0..odd.len())]);
                    }
                    Type::Enum => {
                        let known = self.enums.get(field.type_name()).map_or(0, |e| e.value.len());
                        let value = rng.random_range(0..known as u64 + 3);
                        encode_key(number, WireType::Varint, &mut bytes);
                        encode_varint(value, &mut bytes);
                    }
                    _ => {
                        encode_key(number, WireType::Varint, &mut bytes);
                        let odd = [0, 1, 2, 7, 1_000, u64::from(u32::MAX), u64::MAX, 1 << 63];
                        encode_varint(odd[rng.random_range(0..odd.len())], &mut bytes);
                    }
                }
            }
        }
        bytes
    }
}

fn framed(number: u32, inner: &[u8], bytes: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(inner.len() as u64, bytes);
    bytes.extend_from_slice(inner);
}

fn text(rng: &mut ChaCha20Rng) -> String {
    const TEXTS: [&str; 26] = [
        "",
        "a",
        "37",
        "370102",
        "plans/",
        "plans/small-0123456789ab",
        "frames/00",
        "revisions/1",
        "revisions/latest",
        "revisions/18446744073709551616",
        "freezes/small-f1",
        "30%",
        "-1%",
        "2026-02-30",
        "2026-12-31",
        "plan",
        "level/channel",
        "m1",
        "small",
        "../../etc/passwd",
        "\u{0}",
        "抽查\u{202e}",
        "a\nb",
        "%s%n",
        "sm3",
        "units",
    ];
    match rng.random_range(0..8) {
        0 => "x".repeat(rng.random_range(0..5_000)),
        1 => (0..rng.random_range(0..20)).map(|_| rng.random::<char>()).collect(),
        _ => TEXTS[rng.random_range(0..TEXTS.len())].to_owned(),
    }
}

/// Spoils a message, or leaves it.
fn spoil(mut bytes: Vec<u8>, rng: &mut ChaCha20Rng) -> Vec<u8> {
    match rng.random_range(0..12) {
        0 if !bytes.is_empty() => {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        1 => bytes.truncate(rng.random_range(0..=bytes.len())),
        2 => bytes.extend((0..rng.random_range(0..40)).map(|_| rng.random::<u8>())),
        3 => {
            bytes = vec![0; rng.random_range(0..300)];
            rng.fill_bytes(&mut bytes);
        }
        _ => {}
    }
    bytes
}

/// Calls a method with messages; the status that it ended with.
async fn call(channel: &Channel, path: &str, messages: Vec<Bytes>) -> Status {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = path.parse().unwrap();
    // Every method can be called as if both sides streamed: that is all the same on the wire.
    let request = Request::new(tokio_stream::iter(messages));
    match client.streaming(request, path, Raw).await {
        Err(status) => status,
        Ok(response) => {
            let mut answers = response.into_inner();
            for _ in 0..1_000 {
                match answers.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Status::ok(""),
                    Err(status) => return status,
                }
            }
            Status::ok("long enough")
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_malformed_requests_do_no_harm() {
    let world = World::village();
    world.import(&world.store(), &["--id-scheme", "opaque"]).expect(0);
    world.plan(&world.store(), "one", &[]).expect(0);
    let log = world.path("log");
    let errors = std::fs::File::create(&log).unwrap();
    let server = Server::logging(&world.path("store"), errors.into());
    let channel = Channel::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    let interface = Interface::new();
    let mut rng = ChaCha20Rng::seed_from_u64(20_260_101);
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut after_warmth = 0;
    for number in 0..REQUESTS {
        let (path, input) = &interface.methods[number % interface.methods.len()];
        let count = if rng.random_bool(0.8) { 1 } else { rng.random_range(0..4) };
        let messages = (0..count).map(|_| {
            let message = interface.message(input, 0, &mut rng);
            Bytes::from(spoil(message, &mut rng))
        });
        let messages: Vec<Bytes> = messages.collect();
        let status = call(&channel, path, messages.clone()).await;
        let proper = !matches!(status.code(), Code::Unknown | Code::DataLoss)
            // What is no protobuf, or no message at all, is INTERNAL for the library that reads it.
            && (status.code() != Code::Internal
                || status.message().contains("decode")
                || status.message() == "Missing request message.");
        assert!(proper, "{path}: {status:?} after {messages:?}");
        *codes.entry(format!("{:?}", status.code())).or_default() += 1;
        if number == REQUESTS / 4 {
            after_warmth = server.memory();
        }
    }
    let memory = server.memory();
    println!("{codes:?}, {after_warmth} MiB after a quarter, {memory} MiB at the end");
    assert!(codes["InvalidArgument"] > REQUESTS / 10, "{codes:?}");
    assert!(memory < after_warmth + 64, "memory grows");
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    // It answers as before.
    let place = at(&server);
    let shown = world.on(&place, &["plans"]).expect(0).out;
    assert!(shown.contains("village"), "{shown}");
    let verified = world.text("plan.zip");
    let id = shown.lines().nth(2).unwrap().split('|').nth(1).unwrap().trim().to_owned();
    world.on(&place, &["bundle", &id, "--out", &verified]).expect(0);
    cli_support::run(&["verify", &verified]).expect(0);
}
