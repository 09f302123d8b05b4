//! What the coordinator does, one part of the README after the other; those it talks to may be anywhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use factlog::{ErrorKind, Event, EventLog, Filter, Json, NewEvent, Priority, Timestamp, TypedEvent};
use factlog_agents::Agent;
use factlog_agents::agent::{Failed, GivenMessage};
use factlog_agents::bus::{Bus, Inbox, Message, Proposal, PutOptions, SwarmPlan, Traits};
use factlog_agents::projections::{Access, Outcome as Decision, VotingStrategy};
use factlog_agents::vocabulary::{AgentTerminated, TaskAssigned, TaskCompleted};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::cast::{CLOSING, CONFIG, COORDINATOR, NAMES};
use super::{Outcome, PATIENCE};

/// The coordinator, and what it is told.
struct Coordinator {
    agent: Agent,
    told: mpsc::UnboundedReceiver<GivenMessage>,
    log: EventLog,
}

/// All of it, in the README's order.
pub(crate) async fn perform(log: &EventLog) -> Outcome {
    let (tell, told) = mpsc::unbounded_channel();
    let agent =
        Agent::builder(log.clone(), COORDINATOR).kind("coordinator").on_message(move |_me, message| {
            let told = tell.send(message).map_err(|error| Failed::new("GONE", error.to_string()));
            async move { told }
        });
    let mut coordinator = Coordinator { agent: agent.start().await?, told, log: log.clone() };
    coordinator.await_events("agent:ready", &NAMES).await?;
    coordinator.tasks_and_messages().await?;
    coordinator.requests().await?;
    coordinator.broadcasts().await?;
    coordinator.memory().await?;
    coordinator.subscriptions().await?;
    coordinator.swarm().await?;
    coordinator.end().await
}

impl Coordinator {
    fn bus(&self) -> &Bus {
        self.agent.me().bus()
    }

    /// Waits until each of these sources has recorded an event of a type, and gives the first of each.
    async fn await_events(&self, event_type: &str, sources: &[&str]) -> Outcome<Vec<Arc<Event>>> {
        let mut awaited: BTreeSet<&str> = sources.iter().copied().collect();
        let mut following = self.log.follow(Filter::types([event_type])?);
        let mut events = Vec::new();
        while !awaited.is_empty() {
            let next = tokio::time::timeout(PATIENCE, following.next()).await;
            let event =
                next.map_err(|_| format!("no {event_type} of {awaited:?}"))?.ok_or("the log ended")??;
            if event.source.as_deref().is_some_and(|source| awaited.remove(source)) {
                events.push(event);
            }
        }
        Ok(events)
    }

    async fn next_message(&mut self) -> Outcome<GivenMessage> {
        let next = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        Ok(next.map_err(|_| "no message came")?.ok_or("the coordinator has ended")?)
    }

    /// "Basic Agent Integration".
    async fn tasks_and_messages(&mut self) -> Outcome {
        let me = self.agent.me();
        let task = TaskAssigned::new("task-001")
            .task_type("analysis")
            .description("Analyze system performance")
            .priority("high");
        me.assign("agent-123", task).await?;
        let completed = self.await_events("task:completed", &["agent-123"]).await?;
        let result = completed[0].data.to::<TaskCompleted>()?.result.ok_or("it has a result")?;
        assert_eq!(result.to::<Value>()?, json!({"result": "Task completed successfully"}));
        let events = self.log.stream(&"task-task-001".parse()?).events().await?;
        let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(types[..3], ["task:assigned", "task:accepted", "task:started"]);
        assert_eq!(types[3..9], ["task:progress"; 6]);
        assert_eq!(types[9..], ["task:completed"]);

        let sent = me.send("agent-123", &"Are you there?").await?;
        let reply = self.next_message().await?;
        assert_eq!(
            (reply.from.as_str(), reply.text()),
            ("agent-123", Some("Message received and processed".into()))
        );
        assert_eq!(reply.event.data.to::<Value>()?["replyTo"], sent.message_id);
        println!("a task was done, a message answered");
        Ok(())
    }

    /// "Request/Response Pattern", and how a request fails.
    async fn requests(&self) -> Outcome {
        let me = self.agent.me();
        let status = me.request("target-agent", "getStatus", &json!({"detailed": true}), PATIENCE).await?;
        let status: Value = status.outcome.map_err(|error| error.message)?.to()?;
        assert_eq!(status, json!({"status": "active", "uptime": 12_345, "load": 0.5, "detailed": true}));

        let refused = me.request("target-agent", "restart", &(), PATIENCE).await?.outcome;
        assert!(
            refused.is_err_and(|error| error.code == "BUSY" && error.message == "two jobs are still running")
        );
        // Nobody waits for a time-out where nobody answers.
        for (to, method) in [("target-agent", "makeCoffee"), ("nobody", "getStatus")] {
            let error = me.request(to, method, &(), PATIENCE).await.expect_err("nobody answers to it");
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        println!("requests were answered, or failed at once");
        Ok(())
    }

    /// "Broadcasting": to all, to types, and to nobody; never to the one that says it.
    async fn broadcasts(&self) -> Outcome {
        let me = self.agent.me();
        let update = json!({"version": "2.0", "features": ["new-feature"]});
        let all = me.broadcast("*", "system-update", &update).await?;
        let available = json!({"taskId": "task-123", "requirements": ["gpu"]});
        let types = |types: &[&str]| Traits {
            agent_types: types.iter().map(|name| (*name).to_owned()).collect(),
            ..Traits::default()
        };
        let some = me.broadcast_to(types(&["worker", "analyzer"]), "task-available", &available).await?;
        let none = me.broadcast_to(types(&["nope"]), "task-available", &available).await?;
        assert_eq!(all.recipients, NAMES);
        assert_eq!(some.recipients, ["agent-123", "analyzer-1"]);
        assert!(none.recipients.is_empty());
        for sent in [all, some] {
            self.await_acked(&sent.message_id).await?;
        }
        println!("broadcasts reached whom they meant, and nobody else");
        Ok(())
    }

    /// Waits until all that a message is for have said that they are done with it.
    async fn await_acked(&self, message_id: &str) -> Outcome {
        let mut acks = self.log.follow(Filter::types(["inbox:acked"])?);
        loop {
            let status = self.bus().message(message_id).await?;
            if status.recipients.iter().all(|recipient| recipient.state == "acked") {
                return Ok(());
            }
            tokio::time::timeout(PATIENCE, acks.next()).await.map_err(|_| format!("{status:?}"))?;
        }
    }

    /// "Memory Sharing": everyone may read it, nobody else may write it, and it has an end.
    async fn memory(&self) -> Outcome {
        let me = self.agent.me();
        let config = json!({"apiUrl": "https://api.example.com", "timeout": 30_000});
        let expires = Timestamp::now().plus_ms(24 * 60 * 60 * 1_000);
        let options = PutOptions {
            expires: Some(expires),
            tags: vec!["config".to_owned(), "api".to_owned()],
            access: Some(Access::Read),
            ..PutOptions::default()
        };
        let put = self.bus().memory_put(COORDINATOR, CONFIG, Json::of(&config)?, options).await?;
        assert_eq!(
            (put.version, put.expires_at, put.tags.join(" ")),
            (1, Some(expires), "config api".to_owned())
        );

        // The worker looks it up itself, wherever it runs; what it may not do is refused to it, not to us.
        let read = me.request("agent-123", "readConfig", &(), PATIENCE).await?;
        assert_eq!(read.outcome.map_err(|error| error.message)?.to::<Value>()?, config);
        let written = me.request("agent-123", "writeConfig", &json!({"timeout": 1}), PATIENCE).await?;
        let refused = written.outcome.expect_err("it may only read");
        assert!(refused.message.contains("read"), "{refused:?}");
        self.bus().memory_share(COORDINATOR, CONFIG, &["agent-123".to_owned()], Access::Write).await?;
        let written = me.request("agent-123", "writeConfig", &json!({"timeout": 1}), PATIENCE).await?;
        assert!(written.outcome.is_ok());
        let now = self.bus().memory_get(COORDINATOR, CONFIG).await?;
        assert_eq!((now.version, now.value.as_str()), (2, r#"{"timeout":1}"#));
        println!("memory was shared, with rights and an end");
        Ok(())
    }

    /// "Event Filtering and Subscriptions": what has no priority is not urgent, and what lacks a tag does not have it.
    async fn subscriptions(&mut self) -> Outcome {
        let assigned = |id: &str, priority: Option<Priority>, tag: Option<&str>| -> Outcome<NewEvent> {
            let mut event = TaskAssigned::new(id).into_event()?.with_source(COORDINATOR)?;
            event.priority = priority;
            Ok(if let Some(tag) = tag { event.with_tag(tag)? } else { event })
        };
        self.log
            .append(vec![
                assigned("calm", Some(Priority::Low), Some("triage"))?,
                assigned("silent", None, Some("triage"))?,
                assigned("untagged", Some(Priority::Critical), None)?,
                assigned("pressing", Some(Priority::High), Some("triage"))?,
                assigned("burning", Some(Priority::Critical), Some("triage"))?,
            ])
            .await?;
        for urgent in ["pressing", "burning"] {
            let told = self.next_message().await?;
            assert_eq!(told.text(), Some(format!("High priority task: task-{urgent}")));
        }
        // A subscription of one's own: it begins where it is told to, and ends when it is dropped.
        let mut subscription = self.log.follow(Filter::types(["task:assigned"])?);
        let first = tokio::time::timeout(PATIENCE, subscription.next()).await?.ok_or("the log ended")??;
        assert_eq!(first.stream.as_str(), "task-task-001");
        drop(subscription);
        println!("subscribers heard what they asked for");
        Ok(())
    }

    /// "Swarm Events": formed, asked, and decided by those who belong to it.
    async fn swarm(&self) -> Outcome {
        let members = NAMES.map(str::to_owned).into();
        let plan = SwarmPlan { members, ..SwarmPlan::new("release", "Ship 1.2") };
        assert_eq!(self.bus().swarm_form(COORDINATOR, plan).await?.members.len(), NAMES.len());
        let ship = Proposal {
            strategy: VotingStrategy::Unanimous,
            timeout: PATIENCE,
            ..Proposal::new("release", "ship", Json::of(&"Ship 1.2 today")?)
        };
        self.bus().propose("agent-123", ship).await?;
        let decided = self.bus().await_consensus("release", "ship").await?;
        assert_eq!((decided.outcome(), decided.votes.len()), (Some(Decision::Approved), NAMES.len()));
        println!("a swarm has decided");
        Ok(())
    }

    /// "Clean up when agents shut down": each finishes, and says so; what is sent to it then waits.
    async fn end(self) -> Outcome {
        self.agent.me().broadcast("*", CLOSING, &"Thank you all").await?;
        for event in self.await_events("agent:terminated", &NAMES).await? {
            let ended: AgentTerminated = event.data.to()?;
            assert_eq!((ended.graceful, ended.reason.as_deref()), (Some(true), Some(CLOSING)));
        }
        let asked = self.agent.me().request("target-agent", "getStatus", &(), PATIENCE).await;
        assert!(asked.is_err_and(|error| error.kind() == ErrorKind::NotFound), "nobody is there to answer");
        let late = Message::text(COORDINATOR, "agent-123".parse()?, "until tomorrow")?;
        self.bus().send(late.ttl(Duration::from_secs(60 * 60))).await?;
        assert_eq!(self.bus().inbox("agent-123", Inbox::len).await?, 1);
        println!("all went home");
        Ok(self.agent.stop("Shutdown requested").await?)
    }
}
