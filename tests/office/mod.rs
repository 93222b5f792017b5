//! An office with keys, certificates and tokens, and a server that asks for them.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use spotcheck::service::v1;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Request, Status};

use crate::cli_support::{Done, World, command, run};

/// Keys, certificates and tokens of an office.
pub struct Office {
    pub world: World,
    pub token_key: KeyPair,
    pub other_key: KeyPair,
}

/// A request with a token.
pub fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A short call: the first page of plans.
pub async fn list(channel: &Channel, token: &str) -> Result<(), Status> {
    let asked = with(token, v1::ListPlansRequest::default());
    v1::plan_service_client::PlanServiceClient::new(channel.clone())
        .list_plans(asked)
        .await
        .map(drop)
}

/// The present, so many seconds later.
pub fn seconds(from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now as i64 + from_now
}

fn jwk(key: &KeyPair) -> Value {
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.public_key_raw());
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "use": "sig" })
}

impl Office {
    pub fn new() -> Self {
        let world = World::province(3_000);
        let token_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let other_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        world.write("keys.json", json!({ "keys": [jwk(&token_key)] }).to_string());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "office");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        world.write("ca.pem", ca.pem());
        let issuer = Issuer::new(params, ca_key);
        for name in ["server", "client"] {
            let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let cert = params.signed_by(&key, &issuer).unwrap();
            world.write(&format!("{name}.pem"), cert.pem());
            world.write(&format!("{name}-key.pem"), key.serialize_pem());
        }
        Office { world, token_key, other_key }
    }

    pub fn claims(&self, subject: &str, roles: &[&str], territory: &str) -> Value {
        let mut claims = json!({
            "sub": subject, "exp": seconds(600), "iss": "https://sso.example", "aud": "spotcheck",
            "roles": roles,
        });
        if !territory.is_empty() {
            claims["territory"] = territory.into();
        }
        claims
    }

    pub fn signed(&self, key: &KeyPair, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("one".to_owned());
        let key = EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap();
        encode(&header, claims, &key).unwrap()
    }

    pub fn token(&self, subject: &str, roles: &[&str], territory: &str) -> String {
        self.signed(&self.token_key, &self.claims(subject, roles, territory))
    }

    /// Starts a server with tokens and TLS.
    pub fn start(&self, more: &[&str]) -> Running {
        let path = |name: &str| self.world.text(name);
        let (cert, key, keys) = (path("server.pem"), path("server-key.pem"), path("keys.json"));
        let store = path("store");
        let mut args = vec!["serve", "--store", &store, "--listen", "127.0.0.1:0"];
        args.extend(["--tls-cert", &cert, "--tls-key", &key, "--auth-keys", &keys]);
        args.extend(["--auth-issuer", "https://sso.example", "--auth-audience", "spotcheck"]);
        args.extend(["--log-level", "trace"]);
        args.extend(more);
        let log = self.world.path("log");
        let errors = std::fs::File::create(&log).unwrap();
        let mut child = command()
            .args(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // Made before anything can fail, so that the process ends with the test.
        let mut running = Running { child, port: String::new(), log };
        let port = line.trim_end().rsplit(':').next().unwrap_or_default();
        port.clone_into(&mut running.port);
        let said = || std::fs::read_to_string(&running.log).unwrap();
        assert!(!running.port.is_empty(), "{}", said());
        running
    }

    /// Runs a command on the server with a token.
    pub fn on(&self, server: &Running, token: &str, args: &[&str]) -> Done {
        let (url, ca) = (server.url(), self.world.text("ca.pem"));
        self.world.write("token", token);
        let token = self.world.text("token");
        let access = ["--server", &url, "--tls-ca", &ca, "--token-file", &token];
        run(&[&args[..1], &access, &args[1..]].concat())
    }

    pub async fn channel(&self, server: &Running) -> Channel {
        let ca = Certificate::from_pem(self.world.read("ca.pem"));
        let tls = ClientTlsConfig::new().ca_certificate(ca);
        let endpoint = Channel::from_shared(server.url()).unwrap().tls_config(tls).unwrap();
        endpoint.connect().await.unwrap()
    }
}

pub struct Running {
    pub child: Child,
    pub port: String,
    pub log: PathBuf,
}

impl Running {
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
