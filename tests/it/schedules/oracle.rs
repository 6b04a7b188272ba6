//! The oracle as a process: cases in, instants out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/schedule.py");

/// When a step goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Microseconds since 1970.
    At(i64),
    Never,
}

/// A running oracle. It ends when its input does.
pub(super) struct Oracle {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// Whether there is one.
pub(super) fn is_there() -> bool {
    let zones = "import zoneinfo; zoneinfo.ZoneInfo('Europe/Lisbon')";
    Command::new("python3").args(["-c", zones]).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

impl Oracle {
    pub(super) fn start() -> Self {
        let mut command = Command::new("python3");
        let mut process = command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let (input, output) = (process.stdin.take(), process.stdout.take().expect("its output"));
        Self { process, input, output: BufReader::new(output) }
    }

    /// What `meanwhile` gives, and one list of answers for each of `cases`.
    pub(super) fn ask<T>(&mut self, cases: &[String], meanwhile: impl FnOnce() -> T) -> (T, Vec<Vec<Answer>>) {
        let (input, output) = (self.input.as_mut().expect("not stopped yet"), &mut self.output);
        std::thread::scope(|scope| {
            // Written beside the reading: both pipes are short.
            scope.spawn(|| {
                for case in cases {
                    writeln!(input, "{case}").expect("the oracle reads");
                }
                writeln!(input).and_then(|()| input.flush()).expect("the oracle reads");
            });
            let reading = scope.spawn(|| {
                let theirs = cases.iter().map(|_| read(output)).collect();
                assert!(read(output).is_empty(), "the end of the batch");
                theirs
            });
            let ours = meanwhile();
            let theirs = reading.join().expect("answers");
            (ours, theirs)
        })
    }
}

fn read(output: &mut BufReader<ChildStdout>) -> Vec<Answer> {
    let mut line = String::new();
    assert!(output.read_line(&mut line).expect("a line") > 0, "the oracle ended");
    let word = |word: &str| if word == "never" { Answer::Never } else { Answer::At(word.parse().expect("a number")) };
    line.split_whitespace().map(word).collect()
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.wait().expect("it ends with its input");
    }
}
