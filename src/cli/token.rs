//! `liaison token …`: keys to the HTTP API.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Global;
use super::desk::Desk;
use super::stop::Stop;
use super::terminal::remark;
use crate::domain::ids::TokenId;
use crate::domain::words::{Scope, Word as _};
use crate::hub::token::{self, TokenOrder};
use crate::store::Tx;
use crate::store::token::TokenView;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; it is shown once
    Create(CreateArgs),
    /// List all
    List,
    /// Refuse a token from now on
    Revoke {
        /// Its id, as `token list` shows it
        id: TokenId,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// What it is for
    name: String,
    /// What it may do: read, write, messages:send, sequences:run, metrics, admin; all of it where nothing is said
    #[arg(long, value_delimiter = ',')]
    scope: Vec<Scope>,
    /// How long it holds, as in 90d, 12h or 30m; for good where nothing is said
    #[arg(long, value_name = "TIME", value_parser = super::length::parse)]
    expires: Option<std::time::Duration>,
}

pub(super) async fn run(global: &Global, command: TokenCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        TokenCommand::Create(args) => create(&desk, args).await?,
        TokenCommand::List => list(&desk).await?,
        TokenCommand::Revoke { id } => {
            let work = async |tx: &mut Tx| {
                if !tx.revoke_token(id, desk.clock.now()).await? {
                    return Err(Stop::failed(format!("there is no token `{id}`")).into());
                }
                Ok(())
            };
            desk.change("cli.token_revoke", work).await?;
            if desk.out.is_json() {
                desk.out.json(&json!({"id": id, "revoked": true}))?;
            } else {
                desk.out.say(&format!("{id} is refused from now on"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(desk: &Desk, args: CreateArgs) -> anyhow::Result<()> {
    let scopes = if args.scope.is_empty() { Scope::ALL.to_vec() } else { args.scope };
    let expires_at = args.expires.map(|length| desk.clock.now().plus(length));
    let order = TokenOrder { name: args.name, scopes, expires_at };
    let work = async |tx: &mut Tx| Ok(token::create_token(tx, &desk.clock, order.clone()).await?);
    let (view, secret) = desk.change("cli.token_create", work).await?;
    let secret = secret.expose_secret();
    if desk.out.is_json() {
        let mut answer = serde_json::to_value(&view)?;
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("token".to_owned(), json!(secret));
        }
        return desk.out.json(&answer);
    }
    desk.out.say(secret)?;
    let until = view.expires_at.map(|at| format!(" until {}", desk.out.time(at))).unwrap_or_default();
    remark(&format!("It may {}{until}. Keep it: it is not shown again.", scopes_of(&view)));
    Ok(())
}

fn scopes_of(view: &TokenView) -> String {
    view.scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ")
}

async fn list(desk: &Desk) -> anyhow::Result<()> {
    let tokens = desk.store.read().await?.list_tokens().await?;
    if desk.out.is_json() {
        return desk.out.json(&json!({"data": tokens, "next_cursor": null}));
    }
    if tokens.is_empty() {
        return desk.out.say("There are no tokens.");
    }
    let now = desk.clock.now();
    let row = |t: &TokenView| {
        let state = match (t.revoked_at, t.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(at)) if at <= now => "expired",
            (None, _) => "valid",
        };
        vec![
            t.name.clone(),
            scopes_of(t),
            state.to_owned(),
            desk.out.time(t.created_at),
            desk.out.time_or_dash(t.expires_at),
            t.id.to_string(),
        ]
    };
    desk.out.table(&["name", "scopes", "state", "made", "expires", "id"], tokens.iter().map(row).collect())
}
