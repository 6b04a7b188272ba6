//! Signatures as somebody else's library sees them: `standardwebhooks` of PyPI, by which programs that are told things check who
//! told them. `tests/prove webhooks` puts it into a folder of its own; without it nothing is asked.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use super::receiver::Received;
use serde_json::json;

/// What the library said.
#[derive(Debug, Default, Clone)]
pub struct Verdicts {
    /// Requests that were genuine to it.
    pub genuine: usize,
    /// Requests that were not, and why.
    pub refused: Vec<String>,
    /// The same requests with a space put in that it took for genuine.
    pub forged: usize,
}

/// The library at work.
pub struct Library {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>, Verdicts)>,
}

impl Drop for Library {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Library {
    /// With the secret of a webhook. `LIAISON_PROVE_STANDARDWEBHOOKS` names the Python that has it.
    pub fn start(secret: &str) -> Option<Self> {
        let python = std::env::var_os("LIAISON_PROVE_STANDARDWEBHOOKS")?;
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/webhooks.py"))
            .arg(secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let talk = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()), Verdicts::default());
        Some(Self { child, talk: Mutex::new(talk) })
    }

    /// Asks about a request as it came, and about the same one changed on its way.
    pub fn look_at(&self, request: &Received) {
        let mut talk = self.talk.lock().unwrap();
        let (ask, answers, verdicts) = &mut *talk;
        let mut say = |body: &str| {
            writeln!(ask, "{}", json!({"headers": request.headers, "body": body})).expect("the library is there");
            let mut said = String::new();
            answers.read_line(&mut said).expect("the library answers");
            said.trim().to_owned()
        };
        let said = say(&request.body);
        if said == "genuine" {
            verdicts.genuine += 1;
        } else {
            verdicts.refused.push(said);
        }
        verdicts.forged += usize::from(say(&request.body.replacen(':', ": ", 1)) == "genuine");
    }

    pub fn verdicts(&self) -> Verdicts {
        self.talk.lock().unwrap().2.clone()
    }
}
