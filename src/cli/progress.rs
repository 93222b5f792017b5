//! What a waiting person sees: a bar or a spinner on a terminal, plain lines elsewhere; always on
//! standard error, so that standard output holds data only.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Tells of progress on standard error.
pub(super) struct Progress {
    terminal: bool,
    /// The spinner of the current stage, on a terminal.
    spinner: Mutex<Option<ProgressBar>>,
}

impl Progress {
    /// Progress for whatever standard error is.
    pub fn new() -> Self {
        Progress { terminal: io::stderr().is_terminal(), spinner: Mutex::new(None) }
    }

    /// A stage of work begins.
    pub fn stage(&self, name: &str) {
        if !self.terminal {
            // Whether anybody reads this is no concern of the work.
            let _ = writeln!(io::stderr(), "{name}");
            return;
        }
        let Ok(mut spinner) = self.spinner.lock() else { return };
        let bar = spinner.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(name.to_owned());
    }

    /// The work is over; clears what stands on the terminal.
    pub fn done(&self) {
        if let Ok(mut spinner) = self.spinner.lock()
            && let Some(bar) = spinner.take()
        {
            bar.finish_and_clear();
        }
    }

    /// A reader that shows how far it is in a file of `bytes` bytes.
    pub fn reading<R: Read>(&self, name: &str, bytes: u64, inner: R) -> Counted<R> {
        if !self.terminal {
            self.stage(&format!("reading {name}"));
            return Counted { inner, bar: ProgressBar::hidden() };
        }
        self.done();
        let bar = ProgressBar::new(bytes).with_message(name.to_owned());
        let style = "{msg:16} [{wide_bar}] {binary_bytes}/{binary_total_bytes} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Counted { inner, bar }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

/// A reader under a progress bar.
pub(super) struct Counted<R> {
    inner: R,
    bar: ProgressBar,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bar.inc(count as u64);
        Ok(count)
    }
}

impl<R> Drop for Counted<R> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
