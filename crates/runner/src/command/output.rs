//! Reads the output of a command: the lines of its standard output, and the end of its standard error.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::process::EndOf;

/// How many bytes of standard error are kept. The end is kept, because it usually contains the reason.
const STDERR_KEPT: usize = 4 * 1024;

/// The length of the longest line for the runner, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// The lines of the command's standard output.
pub struct Lines {
    end: EndOf,
    stdout: BufReader<ChildStdout>,
}

impl Lines {
    /// Reads `stdout`, the output of `child`, until the child has ended.
    pub fn new(child: &Child, stdout: ChildStdout) -> Lines {
        Lines { end: EndOf::process(child), stdout: BufReader::new(stdout) }
    }

    /// Appends the next line to `line`, up to the length limit. At the end it appends nothing: when the
    /// output is closed or the command has ended. A process that the command leaves running may hold the
    /// standard output open forever.
    pub fn read(&mut self, line: &mut Vec<u8>) -> std::io::Result<()> {
        loop {
            if self.stdout.buffer().is_empty() && !self.end.or_output(self.stdout.get_ref()) {
                return Ok(());
            }
            let room = LONGEST_LINE - line.len();
            let read = match self.stdout.fill_buf() {
                Ok(read) => &read[..read.len().min(room)],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = read.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(read.len(), |end| end + 1);
            line.extend_from_slice(&read[..taken]);
            self.stdout.consume(taken);
            if end.is_some() || taken == 0 || line.len() == LONGEST_LINE {
                return Ok(());
            }
        }
    }
}

/// The end of the standard error, which a thread keeps.
pub struct End {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

impl End {
    pub fn of(stderr: Option<impl Read + Send + 'static>) -> End {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&kept);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let Some(mut stderr) = stderr else { return };
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&buffer[..read]);
                let surplus = kept.len().saturating_sub(STDERR_KEPT);
                kept.drain(..surplus);
            }
        });
        End { kept, reader }
    }

    /// Returns the text as the end of a sentence. This does not wait long, because a process that the command
    /// has left running may hold the standard error open forever.
    pub fn said(self) -> String {
        let patience = Instant::now() + Duration::from_millis(200);
        while !self.reader.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match String::from_utf8_lossy(kept.make_contiguous()).trim() {
            "" => String::new(),
            text => format!("; the end of its standard error: {text}"),
        }
    }
}
