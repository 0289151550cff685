//! An engine that does a step when it is told to, and readers that read when they want to.

use super::*;
use crate::engine::worker::Turn;

/// An engine whose thread is this one: it does a step when it is told to.
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) worker: Worker,
    pub(super) watch: Watch,
}

impl Bench {
    pub(super) fn new(fake: Fake, at_once: usize) -> Self {
        let watch = fake.watch.clone();
        let prompter = TestModel::thinking().prompter();
        Self { watch, ..Self::with(Box::new(fake), prompter, at_once) }
    }

    pub(super) fn with(decoder: Box<dyn Decoder>, prompter: Arc<Prompter>, at_once: usize) -> Self {
        let limits = Limits { at_once, threads: 1 };
        let (engine, worker) = Engine::with_worker(decoder, prompter, signature(), limits).unwrap();
        Self { engine, worker, watch: Watch::default() }
    }

    pub(super) fn submit(&self, prompt: &str, answer: usize) -> Reader {
        self.submit_task(task(prompt, answer))
    }

    pub(super) fn submit_task(&self, task: Task) -> Reader {
        Reader { events: self.engine.submit(task).unwrap(), ..Reader::default() }
    }

    pub(super) fn turns(&mut self, count: usize) {
        (0..count).for_each(|_| _ = self.worker.turn());
    }

    /// Goes on until everyone has read everything.
    pub(super) fn finish(&mut self, readers: &mut [&mut Reader]) {
        for _ in 0..100_000 {
            let worked = self.worker.turn();
            let mut read = 0;
            readers.iter_mut().for_each(|reader| read += reader.read());
            if worked != Turn::Worked && read == 0 && readers.iter().all(|reader| reader.ended) {
                return;
            }
        }
        panic!("it does not come to an end: {readers:?}");
    }
}

/// Who reads a stream, when it wants to.
pub(super) struct Reader {
    pub(super) events: EventStream,
    pub(super) started: bool,
    pub(super) positions: Vec<u32>,
    pub(super) response: Response,
    pub(super) error: Option<Error>,
    pub(super) ended: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            events: Box::pin(futures_util::stream::empty()),
            started: false,
            positions: Vec::new(),
            response: Response::default(),
            error: None,
            ended: false,
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} {:?} {:?}]", self.started, self.response.text, self.error)
    }
}

impl Reader {
    /// Reads what is there; says how many events that was.
    pub(super) fn read(&mut self) -> usize {
        let mut count = 0;
        while let Some(item) = self.events.next().now_or_never() {
            match item {
                None => {
                    self.ended = true;
                    break;
                }
                Some(Ok(Event::Queued { position, .. })) => self.positions.extend(position),
                Some(Ok(event)) => {
                    self.started |= matches!(event, Event::Started { .. });
                    self.response.absorb(event);
                }
                Some(Err(error)) => self.error = Some(error),
            }
            count += 1;
        }
        count
    }

    pub(super) fn text(&self) -> &str {
        assert!(self.ended && self.error.is_none(), "{self:?}");
        &self.response.text
    }
}
