//! Owns the opening of files. Files are read up to a stated size, and created for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The most bytes that are read from a kind of file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    bytes: u64,
    what: &'static str,
}

impl Limit {
    pub(crate) const KEY: Self = Self { bytes: 64 << 10, what: "a file with a key" };
    pub(crate) const CONFIG: Self = Self { bytes: 8 << 20, what: "a configuration" };
    pub(crate) const CERTIFICATES: Self = Self { bytes: 16 << 20, what: "certificates" };
    pub(crate) const PROFILE: Self = Self { bytes: 64 << 20, what: "a profile" };
    pub(crate) const TOKENIZER: Self = Self { bytes: 256 << 20, what: "a tokenizer" };
    pub(crate) const DATA_SET: Self = Self { bytes: 4 << 30, what: "a data set" };
    pub(crate) const FAILURES: Self = Self { bytes: 128 << 20, what: "failed requests" };
    pub(crate) const RESULT: Self = Self { bytes: 512 << 20, what: "a result" };

    /// The limit as text.
    fn stated(self) -> String {
        if self.bytes < 1 << 20 { format!("{} KiB", self.bytes >> 10) } else { format!("{} MiB", self.bytes >> 20) }
    }
}

/// The content of a whole file. A file larger than `limit` is refused. `advice` ends every error message.
pub(crate) fn read_bytes(path: &Path, limit: Limit, advice: &str) -> Result<Vec<u8>, Error> {
    let failed = |why: io::Error| Error::input(path, format!("cannot be read: {}; {advice}", plain(&why)));
    let too_large =
        || Error::input(path, format!("is larger than {}, the limit for {}; {advice}", limit.stated(), limit.what));
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(Error::input(path, format!("is a folder; {advice}")));
    }
    if about.is_file() && about.len() > limit.bytes {
        return Err(too_large());
    }
    // A pipe or a device does not report its length.
    let mut bytes = Vec::new();
    file.take(limit.bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit.bytes { Err(too_large()) } else { Ok(bytes) }
}

/// The text of a whole UTF-8 file, with the limit and the advice of [`read_bytes`].
pub(crate) fn read_text(path: &Path, limit: Limit, advice: &str) -> Result<String, Error> {
    String::from_utf8(read_bytes(path, limit, advice)?)
        .map_err(|_| Error::input(path, format!("is not UTF-8 text; {advice}")))
}

/// The error text of the system, without its error number.
fn plain(why: &io::Error) -> String {
    let text = why.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Creates a file that only its owner can read. The path must not exist (`O_EXCL`), not even as a link to another file.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Creates a folder and its missing parents. Only their owner can enter them.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates the folder of `--out` and its missing parents.
pub(crate) fn create_out(path: &Path) -> Result<(), Error> {
    let refuse =
        |why: io::Error| match path.ancestors().find(|above| fs::metadata(above).is_ok_and(|about| !about.is_dir())) {
            Some(file) if file == path => {
                "is a file, but the option out takes a folder; name a folder, or move the file away".to_owned()
            }
            Some(file) => format!(
                "`{}` is a file, and no folder can be made in it; name another folder with the option out",
                file.display()
            ),
            None => format!("{}; check the option out", plain(&why)),
        };
    create_folder(path).map_err(|why| Error::output(path, refuse(why)))
}

/// The error that the file `path`, given by `option`, cannot be written.
pub(crate) fn not_written(path: &Path, why: &io::Error, option: &str) -> Error {
    if path.is_dir() {
        return Error::output(path, format!("is a folder; name a file in it with the option {option}"));
    }
    Error::output(path, format!("{}; check the option {option}", plain(why)))
}

/// The longest file name that file systems accept, in bytes.
const LONGEST_NAME: usize = 255;

/// `name` as a file name: letters, digits and `+-_.`, at most 200 bytes. A shortened name ends with a hash of the whole
/// name, so two long names give two files.
pub(crate) fn file_name(name: &str) -> String {
    const LONGEST: usize = LONGEST_NAME - 55;
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "+-_.".contains(c) { c } else { '_' }).collect();
    let plain = plain.trim_start_matches('.');
    if plain.len() <= LONGEST {
        return plain.to_owned();
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    format!("{}-{}", &plain[..LONGEST - 9], &hash[..8])
}

/// The lock of a folder, into which only one process at a time writes. It is released when dropped, and when the
/// process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

/// The name of the lock file.
const LOCK: &str = ".tonnage.lock";

impl Lock {
    /// Takes the lock of `folder`. The error names the process that holds it.
    pub(crate) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        let failed = |why: io::Error| Error::output(&path, format!("{}; check the option out", plain(&why)));
        // The previous holder may delete the file between two of our steps.
        for _ in 0..100 {
            let mut file = match create(&path) {
                Ok(file) => file,
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => match standing(&path) {
                    Ok(Some(file)) => file,
                    Ok(None) => {
                        return Err(Error::output(&path, "is not a file; remove it by hand, or name another folder"));
                    }
                    Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                    Err(why) => return Err(failed(why)),
                },
                Err(why) => return Err(failed(why)),
            };
            match file.try_lock() {
                Err(fs::TryLockError::WouldBlock) => return Err(held(folder, &file)),
                // A file system without locks excludes nobody.
                Ok(()) | Err(fs::TryLockError::Error(_)) => {}
            }
            // The locked file must still have this name; the previous holder may have deleted it.
            let same = fs::symlink_metadata(&path).and_then(|there| Ok(there.ino() == file.metadata()?.ino()));
            if !same.unwrap_or(false) {
                continue;
            }
            let who =
                format!("process {} on {}", std::process::id(), rustix::system::uname().nodename().to_string_lossy());
            file.set_len(0).and_then(|()| file.write_all(who.as_bytes())).map_err(failed)?;
            return Ok(Self { path, _file: file });
        }
        Err(Error::output(&path, "is created and deleted again and again; name another folder"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If the disk has vanished, there is no file to delete.
        _ = fs::remove_file(&self.path);
    }
}

/// The existing lock file, opened; `None` if it is not a plain file.
fn standing(path: &Path) -> io::Result<Option<File>> {
    let there = fs::symlink_metadata(path)?;
    if !there.is_file() {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let opened = file.metadata()?;
    Ok(((opened.dev(), opened.ino()) == (there.dev(), there.ino())).then_some(file))
}

fn held(folder: &Path, mut file: &File) -> Error {
    let mut who = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut who));
    let who = if read.is_ok() && !who.trim().is_empty() { who.trim().to_owned() } else { "another process".to_owned() };
    Error::output(
        folder,
        format!("{who} is writing a result there; wait until it ends, or name another folder with the option out"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_what_is_stated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let limit = Limit { bytes: 10, what: "a test" };
        for (length, fits) in [(0, true), (10, true), (11, false)] {
            fs::write(&path, vec![b'x'; length]).unwrap();
            match read_bytes(&path, limit, "give less") {
                Ok(bytes) => assert!(fits && bytes.len() == length),
                Err(error) => {
                    assert!(!fits && error.to_string().ends_with("the limit for a test; give less"), "{error}");
                }
            }
        }
        // An endless file that does not report its length.
        assert!(read_bytes(Path::new("/dev/zero"), limit, "give less").is_err());
        let missing = read_text(&folder.path().join("nope"), limit, "check it").unwrap_err().to_string();
        assert!(missing.ends_with("cannot be read: No such file or directory; check it"), "{missing}");
        assert!(read_text(folder.path(), limit, "check it").unwrap_err().to_string().contains("is a folder"));
    }

    #[test]
    fn a_file_is_its_owners_and_no_link_is_followed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        create_folder(&inner).unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
        create(&inner.join("f")).unwrap();
        assert_eq!(fs::metadata(inner.join("f")).unwrap().permissions().mode() & 0o777, 0o600);
        let victim = folder.path().join("victim");
        std::os::unix::fs::symlink(&victim, inner.join("link")).unwrap();
        assert!(create(&inner.join("link")).is_err() && create(&inner.join("f")).is_err() && !victim.exists());
    }

    #[test]
    fn long_and_odd_names_become_names_of_files() {
        assert_eq!(file_name("meta-llama/Llama 3\u{1b}[31m"), "meta-llama_Llama_3__31m");
        assert_eq!(file_name("../../etc"), "_.._etc");
        let (one, two) = (file_name(&format!("{}a", "m".repeat(300))), file_name(&format!("{}b", "m".repeat(300))));
        assert!(one.len() <= 200 && two.len() <= 200 && one != two);
    }

    #[test]
    fn one_writes_at_a_time_and_a_dead_one_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        let refused = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id()))
                && refused.contains("is writing a result there"),
            "{refused}"
        );
        drop(first);
        // A killed process leaves the file without a lock on it.
        fs::write(folder.path().join(LOCK), "process 1 on elsewhere").unwrap();
        drop(Lock::take(folder.path()).unwrap());
        assert!(!folder.path().join(LOCK).exists());
        std::os::unix::fs::symlink("/dev/null", folder.path().join(LOCK)).unwrap();
        assert!(Lock::take(folder.path()).is_err());
    }
}
