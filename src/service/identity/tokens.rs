//! Bearer tokens: JSON Web Tokens (RFC 7519), signed by keys of a JSON Web Key Set (RFC 7517) in a file.
//!
//! A token names `sub`, `exp`, `roles` (of `public`, `system`, `auditor`, `planner`, `administrator`) and may name
//! `territory`, a division code; issuer and audience where the server asks for them. Only signatures of public
//! keys count (EdDSA, ES256, ES384, RS256, PS256): a secret that a server holds could make tokens.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::{Caller, Role};
use crate::model::Digest;

/// By how much clocks may differ, in seconds.
const LEEWAY_SECONDS: u64 = 60;
/// How often, at most, the file is read again for a key that it did not have.
const RELOAD_EVERY: Duration = Duration::from_secs(10);
/// How long keys count without being read again: one that was taken out of the file is forgotten then.
const KEYS_KEPT: Duration = Duration::from_secs(60);
/// Tokens that were found good and are not checked again before they end; when there are more, all are.
const KNOWN_MAX: usize = 1_024;
/// Longest token in bytes.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Longest name of a caller, in characters.
const SUBJECT_CHARS_MAX: usize = 200;

/// Why tokens cannot be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It is no set of keys that can be used.
    #[error("{path}: {why}")]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    territory: String,
}

/// Checks tokens.
pub struct Tokens {
    path: PathBuf,
    issuer: Option<String>,
    audience: Option<String>,
    keys: RwLock<Vec<Key>>,
    loaded: Mutex<Instant>,
    known: Mutex<HashMap<Digest, (Caller, u64)>>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.path.display())
    }
}

impl Tokens {
    /// Reads the keys.
    ///
    /// # Errors
    /// If the file cannot be read or holds no key that can be used.
    pub fn open(
        path: &Path,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Result<Self, KeysError> {
        Ok(Tokens {
            path: path.to_owned(),
            issuer,
            audience,
            keys: RwLock::new(load(path)?),
            loaded: Mutex::new(Instant::now()),
            known: Mutex::default(),
        })
    }

    /// Whose token it is, if that is known without looking at it again.
    #[must_use]
    pub fn known(&self, token: &str) -> Option<Caller> {
        self.reload(Instant::now(), KEYS_KEPT);
        self.known_at(&Digest::of(token.as_bytes()))
    }

    fn known_at(&self, mark: &Digest) -> Option<Caller> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(mark).filter(|(_, until)| now < *until).map(|(caller, _)| caller.clone())
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// In words that betray nothing of the token, if it is not good.
    pub fn caller(&self, token: &str) -> Result<Caller, &'static str> {
        self.caller_at(token, Instant::now())
    }

    fn caller_at(&self, token: &str, at: Instant) -> Result<Caller, &'static str> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("the token is too long");
        }
        self.reload(at, KEYS_KEPT);
        let mark = Digest::of(token.as_bytes());
        if let Some(caller) = self.known_at(&mark) {
            return Ok(caller);
        }
        let (caller, until) = self.checked(token, at)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(mark, (caller.clone(), until));
        Ok(caller)
    }

    fn checked(&self, token: &str, at: Instant) -> Result<(Caller, u64), &'static str> {
        let header = decode_header(token).map_err(|_| "the token is no JSON Web Token")?;
        let claims = match self.claims(token, header.kid.as_deref(), header.alg) {
            Some(claims) => claims,
            None if self.reload(at, RELOAD_EVERY) => self
                .claims(token, header.kid.as_deref(), header.alg)
                .ok_or("no key of this server signed the token")?,
            None => return Err("no key of this server signed the token"),
        };
        let claims = claims.map_err(|error| {
            use jsonwebtoken::errors::ErrorKind as E;
            match error.kind() {
                E::ExpiredSignature => "the token has expired",
                E::InvalidIssuer => "the token is of another issuer",
                E::InvalidAudience => "the token is for another audience",
                E::ImmatureSignature => "the token is not valid yet",
                _ => "the token is not signed by its key, or lacks `sub` or `exp`",
            }
        })?;
        let subject = claims.sub.trim();
        if subject.is_empty()
            || subject.chars().count() > SUBJECT_CHARS_MAX
            || subject.chars().any(char::is_control)
        {
            return Err("the token's `sub` is no name");
        }
        let territory = match claims.territory.as_str() {
            "" => None,
            code => Some(code.parse().map_err(|_| "the token's `territory` is no division code")?),
        };
        // Roles that other services know are none of ours.
        let roles = claims.roles.iter().filter_map(|name| Role::named(name));
        Ok((Caller::new(subject, roles, territory), claims.exp))
    }

    /// What a token says, by the key that it names; none if there is none that fits.
    fn claims(
        &self,
        token: &str,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Option<Result<Claims, jsonwebtoken::errors::Error>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let fits = |key: &&Key| {
            key.algorithm == algorithm
                && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
        };
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        let mut last = None;
        for key in keys.iter().filter(fits) {
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(data) => return Some(Ok(data.claims)),
                Err(error) => last = Some(Err(error)),
            }
        }
        last
    }

    /// Reads the file again if that was not done for so long: keys may have been added or taken out.
    fn reload(&self, at: Instant, after: Duration) -> bool {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if at.saturating_duration_since(*loaded) < after {
            return false;
        }
        *loaded = at;
        match load(&self.path) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                // A key that was taken out signs nothing any more.
                self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
                true
            }
            Err(error) => {
                tracing::error!(%error, "keys of tokens");
                false
            }
        }
    }
}

fn load(path: &Path) -> Result<Vec<Key>, KeysError> {
    let file = |error| KeysError::File { path: path.to_owned(), error };
    let wrong = |why: String| KeysError::Keys { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(file)?;
    let set: JwkSet = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("is no JSON Web Key Set: {error}")))?;
    let keys: Result<Vec<Key>, String> = set.keys.iter().map(key).collect();
    let keys = keys.map_err(wrong)?;
    if keys.is_empty() {
        return Err(wrong("has no key".to_owned()));
    }
    Ok(keys)
}

fn key(jwk: &Jwk) -> Result<Key, String> {
    use jsonwebtoken::jwk::{AlgorithmParameters as P, EllipticCurve as C};
    let id = jwk.common.key_id.clone();
    let name = id.clone().unwrap_or_else(|| "without kid".to_owned());
    let stated = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
    let algorithm = match (&jwk.algorithm, stated.as_deref()) {
        (P::OctetKeyPair(pair), None | Some("EdDSA")) if pair.curve == C::Ed25519 => {
            Algorithm::EdDSA
        }
        (P::EllipticCurve(curve), None | Some("ES256")) if curve.curve == C::P256 => {
            Algorithm::ES256
        }
        (P::EllipticCurve(curve), None | Some("ES384")) if curve.curve == C::P384 => {
            Algorithm::ES384
        }
        (P::RSA(_), None | Some("RS256")) => Algorithm::RS256,
        (P::RSA(_), Some("PS256")) => Algorithm::PS256,
        _ => {
            return Err(format!(
                "key {name}: use a public key for EdDSA (Ed25519), ES256, ES384, RS256 or PS256"
            ));
        }
    };
    let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("key {name}: {error}"))?;
    Ok(Key { id, algorithm, key })
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    fn set(keys: &[(&str, &SigningKey)]) -> String {
        let key = |(id, key): &(&str, &SigningKey)| {
            let x = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
            serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x })
        };
        serde_json::json!({ "keys": keys.iter().map(key).collect::<Vec<_>>() }).to_string()
    }

    fn token(id: &str, key: &SigningKey) -> String {
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(serde_json::json!({ "alg": "EdDSA", "kid": id }));
        let claims = serde_json::json!({ "sub": "a", "exp": u32::MAX, "roles": ["auditor"] });
        let text = format!("{header}.{}", part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).to_bytes());
        format!("{text}.{signature}")
    }

    #[test]
    fn keys_come_and_go_with_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [old, new] = [1, 2].map(|byte| SigningKey::from_bytes(&[byte; 32]));
        std::fs::write(&file, set(&[("old", &old)])).unwrap();
        let tokens = Tokens::open(file.path(), None, None).unwrap();
        let begun = Instant::now();
        let good = |id, key, seconds| {
            tokens.caller_at(&token(id, key), begun + Duration::from_secs(seconds)).is_ok()
        };
        assert!(good("old", &old, 0) && !good("new", &new, 0) && !good("old", &new, 0));
        // One that was added counts soon after somebody uses it, one that was taken out counts no more.
        std::fs::write(&file, set(&[("old", &old), ("new", &new)])).unwrap();
        assert!(!good("new", &new, 5) && good("new", &new, 15));
        std::fs::write(&file, set(&[("new", &new)])).unwrap();
        assert!(good("old", &old, 30) && !good("old", &old, 90) && good("new", &new, 90));
        // A file that cannot be read changes nothing.
        std::fs::write(&file, "{").unwrap();
        assert!(good("new", &new, 300) && !good("old", &old, 300));
    }
}
