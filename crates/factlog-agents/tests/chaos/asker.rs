//! An agent that asks others, one question after the other, and writes down what it was told.

use std::time::Duration;

use factlog::{Error, ErrorKind};
use factlog_agents::{Bus, Me};

use super::plan::{Asked, agent, asked_by};
use super::witness::{Sent, Witness};
use super::worker::Setting;

/// The pause before the store is tried again.
const AWAY_PAUSE: Duration = Duration::from_millis(50);

/// Asks what the plan says, from where the last run was; the last one may be asked again.
pub(super) async fn ask_all(setting: Setting, me: Me, witness: Witness, index: usize) {
    let (mut asked, count) = Sent::requests(&setting.folder, &agent(index));
    for one in asked_by(setting.seed, index, setting.messages).into_iter().skip(count) {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1_000))).await;
        let (what, position) = ask(me.bus(), &one).await;
        witness.write(&me.taker().context_id, what, &position, &one.id);
        asked.one_more();
    }
}

/// How it ended, and the position of the answer, if there was one.
async fn ask(bus: &Bus, one: &Asked) -> (&'static str, String) {
    loop {
        // An earlier run may have asked already: then only the answer is waited for.
        let told = match bus.exchange(&one.id).await {
            Ok(exchange) if exchange.deadline.is_some() => bus.answer(&one.id).await,
            Ok(_) => bus.request(&one.request()).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(answer) => return ("answered", answer.position.to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => return ("nobody", "-".to_owned()),
            Err(error) if is_over(&error) => return ("over", "-".to_owned()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
        tokio::time::sleep(AWAY_PAUSE).await;
    }
}

/// Whether it was the time that ran out, and not the store that was away.
fn is_over(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.to_string().contains("no answer to")
}
