//! `factlog mcp`: an agent served over the Model Context Protocol, by the client that starts this.

use factlog_agents::Agent;

use super::Context;
use crate::cli::McpArgs;
use crate::failure::Outcome;

pub(crate) async fn run(context: &Context, args: &McpArgs) -> Outcome {
    let told_to_end = told_to_end();
    let log = context.open_or_create().await?;
    let mut agent = Agent::builder(log.clone(), &args.agent)
        .kind(&args.agent_type)
        .capabilities(args.capability.iter().map(String::as_str))
        .methods(["*"]);
    if args.take_over {
        agent = agent.take_over();
    }
    factlog_server::mcp::serve(agent, tokio::io::stdin(), tokio::io::stdout(), told_to_end).await?;
    Ok(log.close().await?)
}

/// Waits until the process is told to end: clients that do not wait for it say so by a signal, and it must still say that the
/// agent has ended. The signals are listened for from this call on.
#[cfg(unix)]
fn told_to_end() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    std::future::poll_fn(move |context| {
        let is_told = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if is_told { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
}

#[cfg(not(unix))]
async fn told_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
