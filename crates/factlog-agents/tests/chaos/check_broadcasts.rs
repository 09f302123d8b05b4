//! What must hold of broadcasts: each is for all that are registered when it is stored, and for nobody else.

use std::collections::{BTreeMap, BTreeSet};

use factlog::Event;

use super::history::{data, text};
use super::plan::{ALL, Planned};

/// The plan with each broadcast as one message for each of those that it is for; and how many broadcasts there are.
pub(super) fn for_each(events: &[&Event], planned: &[Planned]) -> (Vec<Planned>, usize) {
    let meant = meant(events);
    let mut each = Vec::new();
    let mut broadcasts = 0;
    for one in planned {
        if one.inbox != ALL {
            each.push(one.clone());
            continue;
        }
        broadcasts += 1;
        let recipients =
            meant.get(&one.id).unwrap_or_else(|| panic!("{one:?} was lost before it was stored"));
        each.extend(recipients.iter().map(|inbox| Planned { inbox: inbox.clone(), ..one.clone() }));
    }
    (each, broadcasts)
}

/// For whom each broadcast is: all that were there but its sender, told again from how they came and went.
fn meant(events: &[&Event]) -> BTreeMap<String, BTreeSet<String>> {
    let mut there: BTreeMap<String, String> = BTreeMap::new();
    let mut meant = BTreeMap::new();
    for event in events {
        let data = data(event);
        let (agent, run) = (text(&data, "agentId"), text(&data, "contextId"));
        match event.event_type.as_str() {
            "agent:spawned" => {
                there.insert(agent, run);
            }
            // The end of an earlier run says nothing of the one that is there.
            "agent:terminated" if there.get(&agent) == Some(&run) => {
                there.remove(&agent);
            }
            "message:broadcast" => {
                let id = text(&data, "messageId");
                let from = event.source.as_ref().map(ToString::to_string).unwrap_or_default();
                let wanted: BTreeSet<String> = there.keys().filter(|id| **id != from).cloned().collect();
                let said = data["recipients"].as_array().into_iter().flatten();
                let said: BTreeSet<String> = said.map(|one| one.as_str().unwrap().to_owned()).collect();
                assert_eq!(said, wanted, "the broadcast {id} is for all that are there");
                assert!(meant.insert(id.clone(), said).is_none(), "the broadcast {id} is stored once");
            }
            _ => {}
        }
    }
    meant
}
