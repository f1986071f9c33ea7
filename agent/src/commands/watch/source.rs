//! What a result is made of: one document, or several that belong together.

use super::poll::{Poll, Trouble, WAIT};
use crate::cli::session;
use crate::client::Client;
use crate::client::request::Request;
use crate::commands::show::document;
use crate::error::Error;
use crate::objects::document::Document;
use std::time::Duration;

/// How long the server may keep one of several answers back, in seconds: meanwhile nobody looks at the others.
const WAIT_FOR_ONE_OF_MANY: u32 = 2;

/// The requests that follow from the first document.
pub(in crate::commands) type Follow = fn(&Document) -> Result<Vec<Request>, Error>;

/// Where the documents come from.
#[derive(Debug)]
pub(in crate::commands) struct Source {
    first: (Poll, Option<Document>),
    rest: Vec<(Poll, Option<Document>)>,
    follow: Option<Follow>,
    longest: Duration,
}

impl Source {
    /// One document; with `follow` those that it names too.
    pub(in crate::commands) fn new(
        request: Request,
        follow: Option<Follow>,
        longest: Duration,
    ) -> Source {
        Source {
            first: (Poll::new(request, longest), None),
            rest: Vec::new(),
            follow,
            longest,
        }
    }

    /// Asks for every document once, whatever comes of it.
    ///
    /// # Errors
    /// Those of [`session::send`], and [`Error::Answer`] if an answer is not JSON.
    pub(super) fn fetch(&self, client: &Client) -> Result<Vec<Document>, Error> {
        let get = |request: &Request| document(session::send(client, request)?);
        let first = get(self.first.0.request())?;
        let rest = match self.follow {
            Some(follow) => follow(&first)?,
            None => Vec::new(),
        };
        let rest: Result<Vec<Document>, Error> = rest.iter().map(get).collect();
        Ok(std::iter::once(first).chain(rest?).collect())
    }

    /// Asks for every document once. Is any of them another one than last time? The server may keep the
    /// last answer back.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(super) fn ask(&mut self, client: &Client) -> Result<bool, Trouble> {
        let follows = self.follow.is_some();
        let mut changed = ask(&mut self.first, client, if follows { 0 } else { WAIT })?;
        if let (true, Some(follow), Some(document)) = (changed, self.follow, &self.first.1) {
            let requests = follow(document).map_err(Trouble::Lasting)?;
            let polls = requests
                .into_iter()
                .map(|request| (Poll::new(request, self.longest), None));
            self.rest = polls.collect();
        }
        let count = self.rest.len();
        for (at, each) in self.rest.iter_mut().enumerate() {
            // A change that is known already is not kept back for another one.
            let seconds = match (changed, at + 1 == count, count) {
                (true, ..) | (_, false, _) => 0,
                (_, _, 1) => WAIT,
                _ => WAIT_FOR_ONE_OF_MANY,
            };
            changed |= ask(each, client, seconds)?;
        }
        Ok(changed)
    }

    /// The documents, if all are there.
    pub(super) fn documents(&self) -> Vec<&Document> {
        let all = std::iter::once(&self.first).chain(&self.rest);
        all.filter_map(|(_, document)| document.as_ref()).collect()
    }

    /// How long to pause before it is asked again.
    pub(super) fn pause(&mut self, client: &Client) -> Duration {
        // The first of several is never kept back, so its pause says nothing.
        self.rest
            .last_mut()
            .unwrap_or(&mut self.first)
            .0
            .pause(client)
    }

    /// The result differs: the next change may follow soon.
    pub(super) fn hurry(&mut self) {
        self.rest.last_mut().unwrap_or(&mut self.first).0.hurry();
    }
}

fn ask(
    (poll, known): &mut (Poll, Option<Document>),
    client: &Client,
    wait: u32,
) -> Result<bool, Trouble> {
    let Some(document) = poll.ask(client, wait, None)? else {
        return Ok(false);
    };
    let same = known.as_ref().is_some_and(|known| *known == document);
    *known = Some(document);
    Ok(!same)
}
