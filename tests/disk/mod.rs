//! A disk whose power can be cut. Needs root and a loop device.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A file system in a file, mounted for the test's time.
pub struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// Makes and mounts one; none where that is not allowed.
    pub fn new(megabytes: u64) -> Option<Self> {
        let disk = Disk { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(disk.root()).unwrap();
        let image = std::fs::File::create(disk.image()).unwrap();
        image.set_len(megabytes << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()).status();
        (made.is_ok_and(|status| status.success()) && disk.mount()).then_some(disk)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    pub fn mount(&self) -> bool {
        let mut command = Command::new("mount");
        command.args(["-o", "loop"]).arg(self.image()).arg(self.root()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Stops the file system at once: what is not on the disk by now never gets there.
    pub fn cut(&self) -> bool {
        // `FS_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
        let script = "import fcntl, os, struct, sys\n\
             fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587D, struct.pack('I', 2))";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(self.root()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    pub fn unmount(&self) -> bool {
        let mut command = Command::new("umount");
        command.arg(self.root()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may not have been mounted.
        self.unmount();
    }
}
