//! Files in and out: the CSV files of a directory, bounded reads, writes that are whole or not.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::policy::{Draft, POLICY_BYTES_MAX, Policy};
use crate::registry::Table;

use super::failure::{Exit, Failure};

/// Largest plan file that is read: ten times the largest plan that was ever made of a province.
pub(super) const PLAN_BYTES_MAX: u64 = 1 << 30;

/// A CSV file of an import.
#[derive(Debug)]
pub(super) struct CsvFile {
    /// The table that it holds.
    pub table: Table,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl CsvFile {
    /// Opens it.
    pub fn open(&self) -> Result<File, Failure> {
        File::open(&self.path).map_err(|error| cannot_read(&self.path, &error))
    }
}

/// Those of the six CSV files that `dir` has, in the order of [`Table::ALL`].
pub(super) fn csv_files(dir: &Path) -> Result<Vec<CsvFile>, Failure> {
    let about = fs::metadata(dir).map_err(|error| cannot_read(dir, &error))?;
    if !about.is_dir() {
        return Err(Failure::input(format_args!("{}: is no directory", dir.display())));
    }
    let mut files = Vec::new();
    for table in Table::ALL {
        let path = dir.join(table.file_name());
        match fs::metadata(&path) {
            Ok(about) if about.is_file() => {
                files.push(CsvFile { table, path, bytes: about.len() });
            }
            Ok(_) => {
                return Err(Failure::input(format_args!("{}: is no file", path.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot_read(&path, &error)),
        }
    }
    if files.is_empty() {
        let names: Vec<&str> = Table::ALL.iter().map(|table| table.file_name()).collect();
        let (dir, names) = (dir.display(), names.join(", "));
        return Err(Failure::input(format_args!("{dir}: has none of {names}")));
    }
    Ok(files)
}

/// Reads and checks a policy.
///
/// The draft is what a message carries; it has been checked here already, because only the file
/// has lines that an error can name.
pub(super) fn policy(path: &Path) -> Result<(Draft, Policy), Failure> {
    let text = read_text(path, POLICY_BYTES_MAX)?;
    policy_text(&path.display().to_string(), &text)
}

/// Checks the text of a policy; `name` is what errors call it.
pub(super) fn policy_text(name: &str, text: &str) -> Result<(Draft, Policy), Failure> {
    let wrong = |errors| Failure::input(format_args!("{name} is no policy:\n{errors}"));
    let policy = Policy::from_toml(text).map_err(wrong)?;
    let draft = Draft::from_toml(text).map_err(wrong)?;
    Ok((draft, policy))
}

fn read_text(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to see that it is too long.
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot_read(path, &error))?;
    if bytes.len() > bytes_max {
        let path = path.display();
        return Err(Failure::input(format_args!("{path}: has more than {bytes_max} bytes")));
    }
    String::from_utf8(bytes)
        .map_err(|error| Failure::input(format_args!("{}: {}", path.display(), error.utf8_error())))
}

/// Reads a plan file.
///
/// # Errors
/// [`Exit::Input`] if there is none; [`Exit::Differs`] if it cannot be read, because then nothing
/// in it can be confirmed.
pub(super) fn plan(path: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |error: io::Error| {
        let text = format!("{}: {error}", path.display());
        let missing = error.kind() == io::ErrorKind::NotFound;
        Failure::new(if missing { Exit::Input } else { Exit::Differs }, text)
    };
    let file = File::open(path).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    let mut bytes = Vec::with_capacity(size.min(PLAN_BYTES_MAX) as usize);
    file.take(PLAN_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > PLAN_BYTES_MAX {
        let path = path.display();
        let text = format!("{path}: has more than {PLAN_BYTES_MAX} bytes, so it is no plan");
        return Err(Failure::new(Exit::Differs, text));
    }
    Ok(bytes)
}

/// Writes a file so that `path` holds all of `bytes` or what it held before.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let unwritten = |error: io::Error| Failure::other(format_args!("{}: {error}", path.display()));
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".spotcheck-")
        .permissions_like_a_new_file()
        .tempfile_in(dir)
        .map_err(unwritten)?;
    file.write_all(bytes).map_err(unwritten)?;
    file.as_file().sync_all().map_err(unwritten)?;
    file.persist(path).map_err(|error| unwritten(error.error))?;
    // The new name is safe only once its directory is; where directories can't be opened
    // (Windows) there is nothing to do.
    if let Ok(dir) = File::open(dir) {
        dir.sync_all().map_err(unwritten)?;
    }
    Ok(())
}

/// Whether a file could be written there, tried before long work and not after it.
pub(super) fn check_writable(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::input(format_args!("{}: is a directory", path.display())));
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if !dir.is_none_or(Path::is_dir) {
        return Err(Failure::input(format_args!("{}: its directory is missing", path.display())));
    }
    Ok(())
}

/// The text of a small file: a certificate, a key, a token, a proof or a note.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| cannot_read(path, &error))
}

/// What is wrong with something that was named by the user and cannot be read.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format_args!("{}: {error}", path.display()))
}

/// Permissions of a temporary file that is to become a file like any other.
trait LikeANewFile {
    fn permissions_like_a_new_file(&mut self) -> &mut Self;
}

impl LikeANewFile for tempfile::Builder<'_, '_> {
    fn permissions_like_a_new_file(&mut self) -> &mut Self {
        // Temporary files are private by default; the umask still applies to this.
        #[cfg(unix)]
        self.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        self
    }
}
