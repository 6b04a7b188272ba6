//! What the command line may ask a running daemon over its socket.

use futures_util::future::BoxFuture;
use serde_json::json;

use super::Hub;
use crate::control::{Handler, Request, Response};
use crate::lifecycle::Lifecycle;

pub(super) struct Commands {
    hub: Hub,
    life: Lifecycle,
}

impl Commands {
    pub(super) fn new(hub: Hub, life: Lifecycle) -> Self {
        Self { hub, life }
    }
}

impl Handler for Commands {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            match request.op.as_str() {
                "wake" => {
                    for account in &self.hub.live().accounts {
                        self.hub.wakes.wake(&account.name);
                    }
                    self.hub.wakes.wake("cadence");
                    self.hub.look.notify_waiters();
                    self.hub.stored.notify_waiters();
                    Response::Ok(json!({"woken": true}))
                }
                "reload" => {
                    self.life.ask_reload();
                    Response::Ok(json!({"reloading": true}))
                }
                "status" => {
                    let accounts: Vec<String> = self.hub.live().accounts.iter().map(|a| a.name.clone()).collect();
                    Response::Ok(json!({
                        "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "accounts": accounts,
                    }))
                }
                other => Response::Error(format!("this daemon knows no command `{other}`; is it an older version?")),
            }
        })
    }
}
