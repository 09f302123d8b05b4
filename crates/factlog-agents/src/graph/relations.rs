//! What an event tells of who has to do with what.

use factlog::{Event, FILE_TAG, TOOL_TAG};

use super::{Node, NodeKind};
use crate::projections::speaker;
use crate::record::Record;
use crate::vocabulary::{Payload, agent_of};

/// What one node does with another.
pub type Relation = &'static str;

/// Every relation, as one says it: who does what with whom.
pub const RELATIONS: &[(Relation, &str)] = &[
    ("works-in", "an agent in a session"),
    ("works-on", "an agent, a session or a swarm on a task"),
    ("creates", "an agent a task, or a swarm"),
    ("has", "an agent or a swarm a task that it was given"),
    ("rejects", "an agent a task"),
    ("child-of", "a task of a task, an agent of the agent or session that made it"),
    ("depends-on", "a task on a task"),
    ("waits-for", "a task for a task"),
    ("touches", "an agent, a session, a worktree or what an event is about a file"),
    ("uses", "an agent or a session a tool"),
    ("sends", "an agent a message, or a request"),
    ("answers", "an agent a request"),
    ("receives", "an agent a message"),
    ("goes-to", "a message to an agent"),
    ("writes-to", "an agent to an agent, by a message"),
    ("writes", "an agent or a session a memory"),
    ("reads", "an agent or a session a memory"),
    ("deletes", "an agent or a session a memory"),
    ("shares", "an agent or a session a memory"),
    ("shared-with", "a memory with an agent"),
    ("leads", "an agent a swarm"),
    ("member-of", "an agent of a swarm"),
    ("made-for", "a worktree for a task"),
    ("conflicts-with", "a worktree with a worktree"),
    ("leases", "an agent a file"),
];

/// What one event tells: its nodes, and the edges between them, each once.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<(Node, Relation, Node)>,
}

impl Told {
    fn node(&mut self, node: &Node) {
        if !node.id.is_empty() && !self.nodes.contains(node) {
            self.nodes.push(node.clone());
        }
    }

    fn edge(&mut self, from: &Node, relation: Relation, to: &Node) {
        if from.id.is_empty() || to.id.is_empty() || from == to {
            return;
        }
        self.node(from);
        self.node(to);
        let edge = (from.clone(), relation, to.clone());
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }

    /// From whoever is known of several.
    fn edges(&mut self, from: &[&Option<Node>], relation: Relation, to: &Node) {
        for from in from.iter().copied().flatten() {
            self.edge(from, relation, to);
        }
    }
}

/// Who says an event, and where.
struct Scene {
    agent: Option<Node>,
    session: Option<Node>,
    /// What the stream is of.
    subject: Option<Node>,
}

impl Scene {
    fn of(event: &Event) -> Self {
        let subject = event.stream.split_once('-').and_then(|(category, id)| {
            let kind = category.parse().ok().filter(|_| !id.is_empty())?;
            Some(Node::new(kind, id))
        });
        let session = event.session_id.as_deref().map(|session| Node::new(NodeKind::Session, session));
        let of_stream = || subject.clone().filter(|node| node.kind == NodeKind::Session);
        Self { agent: agent(event), session: session.or_else(of_stream), subject }
    }
}

/// The agent of an event, and no coordinator or importer. In the records of coding agents a sub-agent has its own id, and
/// who runs the session is the session: the program that all of them are of would tie everything to everything.
fn agent(event: &Event) -> Option<Node> {
    if let Some(record) = Record::of(event) {
        return record.agent.map(|agent| Node::new(NodeKind::Agent, agent));
    }
    let agent = agent_of(event)?;
    let is_source = event.source.as_deref() == Some(agent.as_str());
    (!is_source || speaker(event).is_some()).then(|| Node::new(NodeKind::Agent, agent))
}

pub(super) fn told(event: &Event) -> Told {
    let mut told = Told::default();
    let scene = Scene::of(event);
    for node in [&scene.agent, &scene.session, &scene.subject].into_iter().flatten() {
        told.node(node);
    }
    if let Some(session) = &scene.session {
        told.edges(&[&scene.agent], "works-in", session);
    }
    match Payload::of(event) {
        Some(payload) => {
            take_task(&mut told, &scene, event, &payload);
            take_other(&mut told, &scene, event, &payload);
        }
        None => {
            if let Some(task) = scene.subject.as_ref().filter(|node| node.kind == NodeKind::Task) {
                told.edges(&[&scene.agent, &scene.session], "works-on", task);
            }
        }
    }
    for tag in &event.tags {
        if let Some(path) = tag.strip_prefix(FILE_TAG) {
            let file = Node::new(NodeKind::File, path);
            let is_said = scene.agent.is_some() || scene.session.is_some();
            told.edges(&[&scene.agent, &scene.session], "touches", &file);
            told.edges(&[&scene.subject.clone().filter(|_| !is_said)], "touches", &file);
            told.node(&file);
        } else if let Some(name) = tag.strip_prefix(TOOL_TAG) {
            told.edges(&[&scene.agent, &scene.session], "uses", &Node::new(NodeKind::Tool, name));
        }
    }
    told
}

fn agents<'a>(ids: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = Node> {
    ids.into_iter().map(|id| Node::new(NodeKind::Agent, id.as_str()))
}

fn take_task(told: &mut Told, scene: &Scene, event: &Event, payload: &Payload) {
    let task = |id: &str| Node::new(NodeKind::Task, id);
    let at_work =
        |told: &mut Told, id: &str| told.edges(&[&scene.agent, &scene.session], "works-on", &task(id));
    match payload {
        Payload::TaskCreated(of) => {
            let created = task(&of.task_id);
            told.node(&created);
            told.edges(&[&scene.agent], "creates", &created);
            if let Some(parent) = &of.parent_id {
                told.edge(&created, "child-of", &task(parent));
            }
            for other in of.dependencies.iter().flatten() {
                told.edge(&created, "depends-on", &task(other));
            }
        }
        Payload::TaskAssigned(of) => {
            let given = of.agent_id.clone().or_else(|| event.targets.first().map(ToString::to_string));
            for agent in agents(&given) {
                told.edge(&agent, "has", &task(&of.task_id));
            }
            for other in of.dependencies.iter().flatten() {
                told.edge(&task(&of.task_id), "depends-on", &task(other));
            }
        }
        Payload::TaskBlocked(of) => {
            for other in of.blocked_by.iter().flatten() {
                told.edge(&task(&of.task_id), "waits-for", &task(other));
            }
            at_work(told, &of.task_id);
        }
        Payload::TaskRejected(of) => told.edges(&[&scene.agent], "rejects", &task(&of.task_id)),
        Payload::TaskAccepted(of) => at_work(told, &of.task_id),
        Payload::TaskStarted(of) => at_work(told, &of.task_id),
        Payload::TaskProgress(of) => at_work(told, &of.task_id),
        Payload::TaskCompleted(of) => at_work(told, &of.task_id),
        Payload::TaskFailed(of) => at_work(told, &of.task_id),
        Payload::TaskSectionUpdated(of) => at_work(told, &of.task_id),
        Payload::AgentTaskAssigned(of) => told.edges(&[&scene.agent], "has", &task(&of.task_id)),
        Payload::AgentTaskCompleted(of) => at_work(told, &of.task_id),
        Payload::AgentBusy(of) => of.task_id.iter().for_each(|id| at_work(told, id)),
        Payload::SessionQueued(of) => of.task_id.iter().for_each(|id| at_work(told, id)),
        Payload::SessionStarted(of) => of.task_id.iter().for_each(|id| at_work(told, id)),
        Payload::SessionCompleted(of) => of.task_id.iter().for_each(|id| at_work(told, id)),
        Payload::SessionFailed(of) => of.task_id.iter().for_each(|id| at_work(told, id)),
        _ => {}
    }
}

fn take_other(told: &mut Told, scene: &Scene, event: &Event, payload: &Payload) {
    let memory = |id: &str| Node::new(NodeKind::Memory, id);
    let who = [&scene.agent, &scene.session];
    match payload {
        Payload::AgentSpawned(of) => {
            for parent in agents(&of.parent_id) {
                told.edges(&[&scene.agent], "child-of", &parent);
            }
        }
        Payload::MemoryStored(of) => told.edges(&who, "writes", &memory(&of.memory_id)),
        Payload::MemoryRetrieved(of) => told.edges(&who, "reads", &memory(&of.memory_id)),
        Payload::MemoryDeleted(of) => told.edges(&who, "deletes", &memory(&of.memory_id)),
        Payload::MemoryShared(of) => {
            told.edges(&who, "shares", &memory(&of.memory_id));
            for agent in agents(of.shared_with.iter().flatten().filter(|name| is_one(name))) {
                told.edge(&memory(&of.memory_id), "shared-with", &agent);
            }
        }
        Payload::MessageSent(of) => message(told, scene, event, &of.message_id, of.recipients.as_deref()),
        Payload::MessageRequest(of) => message(told, scene, event, &of.request_id, of.recipients.as_deref()),
        Payload::MessageBroadcast(of) => {
            let id = of.message_id.as_deref().unwrap_or_default();
            message(told, scene, event, id, of.recipients.as_deref());
        }
        Payload::MessageReceived(of) => {
            told.edges(&[&scene.agent], "receives", &Node::new(NodeKind::Message, of.message_id.as_str()));
        }
        Payload::MessageResponse(of) => {
            told.edges(&[&scene.agent], "answers", &Node::new(NodeKind::Message, of.request_id.as_str()));
        }
        Payload::LeaseAcquired(of) => {
            for path in of.resources.iter().filter_map(|resource| resource.strip_prefix(FILE_TAG)) {
                told.edges(&[&scene.agent], "leases", &Node::new(NodeKind::File, path));
            }
        }
        payload => {
            take_swarm(told, scene, payload);
            take_worktree(told, payload);
        }
    }
}

fn take_swarm(told: &mut Told, scene: &Scene, payload: &Payload) {
    let swarm = |id: &str| Node::new(NodeKind::Swarm, id);
    match payload {
        Payload::SwarmFormed(of) => {
            told.edges(&[&scene.agent], "creates", &swarm(&of.swarm_id));
            for agent in agents(&of.leader) {
                told.edge(&agent, "leads", &swarm(&of.swarm_id));
            }
            for agent in agents(of.initial_members.iter().flatten()) {
                told.edge(&agent, "member-of", &swarm(&of.swarm_id));
            }
        }
        Payload::SwarmJoined(of) => {
            let agent = Node::new(NodeKind::Agent, of.agent_id.as_str());
            told.edge(&agent, "member-of", &swarm(&of.swarm_id));
        }
        Payload::SwarmTaskAssigned(of) => {
            told.edge(&swarm(&of.swarm_id), "has", &Node::new(NodeKind::Task, of.task_id.as_str()));
        }
        _ => {}
    }
}

fn take_worktree(told: &mut Told, payload: &Payload) {
    let worktree = |path: &str| Node::new(NodeKind::Worktree, path);
    let mut made = |path: &str, task: Option<&str>| {
        if let Some(task) = task {
            told.edge(&worktree(path), "made-for", &Node::new(NodeKind::Task, task));
        }
    };
    match payload {
        Payload::WorktreeCreated(of) => made(&of.path, of.task_id.as_deref()),
        Payload::WorktreeRecycled(of) => made(&of.path, of.task_id.as_deref()),
        Payload::WorktreeConflictDetected(of) => {
            if let Some((first, others)) = of.worktrees.split_first() {
                others
                    .iter()
                    .for_each(|other| told.edge(&worktree(first), "conflicts-with", &worktree(other)));
            }
            for path in &of.worktrees {
                for file in of.conflicting_files.iter().flatten() {
                    told.edge(&worktree(path), "touches", &Node::new(NodeKind::File, file.as_str()));
                }
            }
        }
        _ => {}
    }
}

/// A message from the agent who says it, to those whom it names.
fn message(told: &mut Told, scene: &Scene, event: &Event, id: &str, recipients: Option<&[String]>) {
    let message = Node::new(NodeKind::Message, id);
    told.node(&message);
    told.edges(&[&scene.agent], "sends", &message);
    let targets: Vec<String> = match recipients {
        Some(recipients) => recipients.to_vec(),
        None => event.targets.iter().map(ToString::to_string).collect(),
    };
    for agent in agents(targets.iter().filter(|name| is_one(name))) {
        told.edge(&message, "goes-to", &agent);
        told.edges(&[&scene.agent], "writes-to", &agent);
    }
}

/// Whether a recipient is one agent, and not all of a kind.
fn is_one(name: &str) -> bool {
    !name.contains('*') && !name.contains(':')
}
