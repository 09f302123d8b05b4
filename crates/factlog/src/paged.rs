//! Turns pages into a stream of events: the one machine behind reading and following.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use crate::{Event, Position, Result};

/// Events that wait to be handed out.
pub(crate) type Buffer = VecDeque<Arc<Event>>;

/// Where pages come from.
pub(crate) trait Source: Send + Sized + 'static {
    /// The caller is done with the event at this position: it asked for the next one.
    fn done(&mut self, _position: Position) {}

    /// Whether [`Source::advance`] wants to run although there are events left.
    fn due(&self) -> bool {
        false
    }

    /// The events to hand out next, after the `rest` of the last ones; none at the end.
    fn advance(&mut self, rest: Buffer) -> impl Future<Output = Result<Option<Buffer>>> + Send;
}

type Advanced<S> = (S, Result<Option<Buffer>>);

/// A stream of events over a source of pages.
pub(crate) struct Paged<S: Source> {
    buffer: Buffer,
    handed_out: Option<Position>,
    state: State<S>,
}

enum State<S> {
    Idle(S),
    Advancing(BoxFuture<'static, Advanced<S>>),
    Ended,
}

impl<S: Source> Paged<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { buffer: Buffer::new(), handed_out: None, state: State::Idle(source) }
    }

    /// The source, while nothing is being read.
    pub(crate) fn source(&mut self) -> Option<&mut S> {
        match &mut self.state {
            State::Idle(source) => Some(source),
            _ => None,
        }
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Arc<Event>>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Idle(mut source) => {
                    if let Some(position) = self.handed_out.take() {
                        source.done(position);
                    }
                    if !source.due()
                        && let Some(event) = self.buffer.pop_front()
                    {
                        self.handed_out = Some(event.position);
                        self.state = State::Idle(source);
                        return Poll::Ready(Some(Ok(event)));
                    }
                    let rest = std::mem::take(&mut self.buffer);
                    self.state = State::Advancing(Box::pin(async move {
                        let advanced = source.advance(rest).await;
                        (source, advanced)
                    }));
                }
                State::Advancing(mut future) => match future.as_mut().poll(context) {
                    Poll::Pending => {
                        self.state = State::Advancing(future);
                        return Poll::Pending;
                    }
                    Poll::Ready((_, Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready((_, Ok(None))) => return Poll::Ready(None),
                    Poll::Ready((source, Ok(Some(buffer)))) => {
                        self.buffer = buffer;
                        self.state = State::Idle(source);
                    }
                },
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Arc<Event>>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

impl<S: Source + Unpin> Stream for Paged<S> {
    type Item = Result<Arc<Event>>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Paged::poll_next(&mut self, context)
    }
}
