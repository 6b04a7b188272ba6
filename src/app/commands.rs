//! What the command line may ask a running daemon over its socket.

use futures_util::future::BoxFuture;
use serde_json::json;

use super::Hub;
use crate::control::{Handler, Request, Response};
use crate::lifecycle::Lifecycle;
use crate::login::SignIns;

pub(super) struct Commands {
    hub: Hub,
    life: Lifecycle,
}

impl Commands {
    pub(super) fn new(hub: Hub, life: Lifecycle) -> Self {
        Self { hub, life }
    }
}

impl Commands {
    /// Signs somebody in with the secrets the daemon has, and lets the account go on.
    async fn sign_in(&self, op: &str, request: &Request) -> Response {
        let Some(config) = self.hub.live().config.clone() else {
            return Response::Error("this hub runs without a configuration".to_owned());
        };
        let answer = SignIns::new(self.hub.store.clone(), config).answer(op, &request.arguments).await;
        match answer {
            Ok(told) => {
                self.hub.look.notify_waiters();
                Response::Ok(told)
            }
            Err(error) => Response::Error(error.to_string()),
        }
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
                    self.hub.wakes.wake("webhooks");
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
                op if op.starts_with("login.") => self.sign_in(op, &request).await,
                op @ ("webhook.create" | "webhook.rotate") => {
                    match super::webhooks::answer(&self.hub, op, &json!(request.arguments)).await {
                        Ok(told) => Response::Ok(told),
                        Err(why) => Response::Error(why),
                    }
                }
                "account.test" => {
                    let name = request.arguments.get("account").and_then(serde_json::Value::as_str).unwrap_or_default();
                    let live = self.hub.live();
                    let rooms = super::rooms_of(&live.relays, name);
                    match live.accounts.iter().find(|a| a.name == name) {
                        Some(parts) => {
                            Response::Ok(json!({"steps": super::probe(parts, &rooms, Some(&self.hub.store)).await}))
                        }
                        None => Response::Error(format!(
                            "the daemon runs no account `{name}`; `liaison reload` makes it look"
                        )),
                    }
                }
                other => Response::Error(format!("this daemon knows no command `{other}`; is it an older version?")),
            }
        })
    }
}
