//! The door of the server: certificates, tokens, and what must not stand open.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::failure::Failure;
use crate::config::{Config, values};
use crate::service::identity::guard::Access;
use crate::service::identity::tokens::Tokens;

/// Who may call, and over what.
pub(super) fn door(
    config: &Config,
    address: SocketAddr,
) -> Result<(Access, Option<ServerTlsConfig>), Failure> {
    let (tls, knows_clients) = tls(config)?;
    let access = access(config)?;
    let insecure = config.required("insecure", values::flag)?;
    let open = |what: &str| {
        Failure::input(format_args!(
            "listen: {address} is not a loopback address, and {what}; set insecure = \"true\" if a \
             proxy or a network that you trust sees to that"
        ))
    };
    if !address.ip().is_loopback() && !insecure {
        if tls.is_none() {
            return Err(open("tls_cert and tls_key are not set"));
        }
        if matches!(access, Access::Anybody) && !knows_clients {
            return Err(open("neither auth_keys nor tls_client_ca is set: anybody could call"));
        }
    }
    match (&access, knows_clients) {
        (Access::Anybody, false) => tracing::warn!("anybody who reaches the server may do all"),
        (Access::Anybody, true) => tracing::info!("whoever has a client certificate may do all"),
        (Access::Tokens(_), _) => tracing::info!("callers are known by their tokens"),
    }
    Ok((access, tls))
}

/// The server's certificate; whether clients need one, too.
fn tls(config: &Config) -> Result<(Option<ServerTlsConfig>, bool), Failure> {
    let [cert, key, clients] = ["tls_cert", "tls_key", "tls_client_ca"]
        .map(|key| config.optional(key, values::path).map(|path| path.map(|path| (key, path))));
    let (cert, key, clients) = (cert?, key?, clients?);
    let pem = |(key, path): &(&str, std::path::PathBuf), what: &str| {
        let text = read(key, path)?;
        let known = text.contains("-----BEGIN ") && text.contains(what);
        let wrong =
            || Failure::input(format_args!("{key}: {} is no PEM file of a {what}", path.display()));
        if known { Ok(text) } else { Err(wrong()) }
    };
    let (cert, key) = match (&cert, &key) {
        (None, None) if clients.is_none() => return Ok((None, false)),
        (Some(cert), Some(key)) => (pem(cert, "CERTIFICATE")?, pem(key, "PRIVATE KEY")?),
        _ => {
            let words = "tls_cert and tls_key belong together, and tls_client_ca needs both";
            return Err(Failure::input(words));
        }
    };
    let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
    if let Some(clients) = &clients {
        tls = tls.client_ca_root(Certificate::from_pem(pem(clients, "CERTIFICATE")?));
    }
    Ok((Some(tls), clients.is_some()))
}

fn access(config: &Config) -> Result<Access, Failure> {
    let keys = config.optional("auth_keys", values::path)?;
    let issuer = config.optional("auth_issuer", values::text)?;
    let audience = config.optional("auth_audience", values::text)?;
    match keys {
        Some(path) => {
            let tokens = Tokens::open(&path, issuer, audience)
                .map_err(|error| Failure::input(format_args!("auth_keys: {error}")))?;
            Ok(Access::Tokens(Arc::new(tokens)))
        }
        None if issuer.is_some() || audience.is_some() => {
            Err(Failure::input("auth_issuer and auth_audience need auth_keys"))
        }
        None => Ok(Access::Anybody),
    }
}

fn read(key: &str, path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::input(format_args!("{key}: {}: {error}", path.display()));
    fs::read_to_string(path).map_err(failed)
}
