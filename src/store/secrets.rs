//! Secrets: small files beside the records that only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use super::StoreError;
use super::segments::sync_dir;

/// The directory of secrets; made when the first one is.
#[derive(Debug)]
pub(super) struct Secrets {
    dir: PathBuf,
    /// Held while one is made, so that two callers get the same.
    making: Mutex<()>,
}

/// 32 random bytes of the operating system.
pub(super) fn random() -> Result<[u8; 32], StoreError> {
    let mut secret = [0; 32];
    let filled = getrandom::fill(&mut secret).map_err(io::Error::other);
    filled.map_err(StoreError::io("asking the operating system for random bytes".to_owned()))?;
    Ok(secret)
}

impl Secrets {
    pub fn new(dir: PathBuf) -> Self {
        Secrets { dir, making: Mutex::new(()) }
    }

    pub fn get(&self, name: &str) -> Result<[u8; 32], StoreError> {
        let _making = self.making.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = self.dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::Corrupt {
                what: path.display().to_string(),
                how_to_restore: "it must have 32 bytes: put it back from your copy of the key",
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = random()?;
                self.write(name, &secret)?;
                Ok(secret)
            }
            Err(error) => Err(StoreError::io(format!("reading {}", path.display()))(error)),
        }
    }

    /// Puts a secret in its place; one that is there must be the same.
    pub fn put(&self, name: &str, secret: &[u8; 32]) -> Result<(), StoreError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            let source = io::Error::new(ErrorKind::InvalidInput, "is no name of a secret");
            return Err(StoreError::Io { what: name.chars().take(40).collect(), source });
        }
        {
            let _making = self.making.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !self.dir.join(name).exists() {
                return self.write(name, secret);
            }
        }
        if self.get(name)? == *secret {
            return Ok(());
        }
        let source = io::Error::new(ErrorKind::AlreadyExists, "another one is there");
        Err(StoreError::Io { what: format!("writing secrets/{name}"), source })
    }

    fn write(&self, name: &str, secret: &[u8; 32]) -> Result<(), StoreError> {
        let what = || format!("writing {}", self.dir.join(name).display());
        self.make(name, secret).map_err(StoreError::io(what()))?;
        sync_dir(&self.dir)?;
        self.dir.parent().map_or(Ok(()), sync_dir)
    }

    /// Writes a secret under another name first, so that it is there as a whole or not at all.
    fn make(&self, name: &str, secret: &[u8; 32]) -> io::Result<()> {
        let mut dirs = fs::DirBuilder::new();
        owner_only_dir(&mut dirs);
        match dirs.create(&self.dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let tmp = self.dir.join(format!("{name}.new"));
        let mut file = owner_only(&tmp)?;
        file.write_all(secret)?;
        file.sync_all()?;
        fs::rename(&tmp, self.dir.join(name))
    }
}

fn owner_only(path: &std::path::Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix has modes"))]
fn owner_only_dir(builder: &mut fs::DirBuilder) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
}
