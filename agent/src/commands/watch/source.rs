//! What a result is made of: one document, or several that belong together.

use super::poll::{Poll, Trouble, WAIT};
use crate::cli::session;
use crate::client::Client;
use crate::client::request::Request;
use crate::commands::show::document;
use crate::error::Error;
use crate::limits::MAX_ANSWER;
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

    /// Asks for every document once, whatever comes of it. `received` is called once the last answer is there, before it
    /// is read.
    ///
    /// # Errors
    /// Those of [`session::send`] and `received`, and [`Error::Answer`] if an answer is not JSON.
    pub(super) fn fetch(
        &self,
        client: &Client,
        received: impl Fn() -> Result<(), Error>,
    ) -> Result<Vec<Document>, Error> {
        let first = session::send(client, self.first.0.request())?;
        let Some(follow) = self.follow else {
            received()?;
            return Ok(vec![document(first)?]);
        };
        let mut documents = vec![document(first)?];
        let rest = follow(&documents[0])?;
        if rest.is_empty() {
            received()?;
        }
        for (at, request) in rest.iter().enumerate() {
            let body = session::send(client, request)?;
            if at + 1 == rest.len() {
                received()?;
            }
            documents.push(document(body)?);
            within_limit(documents.iter())?;
        }
        Ok(documents)
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
        for at in 0..count {
            // A change that is known already is not kept back for another one.
            let seconds = match (changed, at + 1 == count, count) {
                (true, ..) | (_, false, _) => 0,
                (_, _, 1) => WAIT,
                _ => WAIT_FOR_ONE_OF_MANY,
            };
            changed |= ask(&mut self.rest[at], client, seconds)?;
            within_limit(self.documents().into_iter()).map_err(Trouble::Lasting)?;
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

/// What belongs together may be as large together as one answer may be.
///
/// # Errors
/// [`Error::Answer`]
fn within_limit<'a>(documents: impl Iterator<Item = &'a Document>) -> Result<(), Error> {
    let bytes: usize = documents.map(|document| document.root().json().len()).sum();
    if bytes as u64 <= MAX_ANSWER {
        return Ok(());
    }
    Err(Error::Answer(format!(
        "The server's answers are larger than {} MiB together: nothing is made of them.",
        MAX_ANSWER >> 20
    )))
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
