//! `factlog mcp`: an agent served over the Model Context Protocol, by the client that starts this.

use factlog_agents::Agent;

use super::Context;
use crate::cli::McpArgs;
use crate::failure::Outcome;

pub(crate) async fn run(context: &Context, args: &McpArgs) -> Outcome {
    let log = context.open_or_create().await?;
    // A client that starts again has left the earlier run behind, whether that has ended or not.
    let presence = Agent::builder(log.clone(), &args.agent)
        .kind(&args.agent_type)
        .capabilities(args.capability.iter().map(String::as_str))
        .methods(["*"])
        .take_over()
        .attend()
        .await?;
    factlog_server::mcp::serve(presence, tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(log.close().await?)
}
