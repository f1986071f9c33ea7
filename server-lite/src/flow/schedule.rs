//! When scheduled policies are due: `recurrence` (cron with 5 or 6 fields, names, ranges, steps, `@daily` and the
//! like) or `start_time` (epoch seconds, or a date). (docs/elasticity.md, "Schedules".)

use super::clock::Millis;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use thiserror::Error;

/// Before any time that a policy is asked for.
const LONG_AGO: DateTime = DateTime::constant(2020, 1, 1, 0, 0, 0, 0);

/// Why a `recurrence` or a `start_time` is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Not cron: the text, and the reason in the parser's words.
    #[error("recurrence {0:?}: {1}")]
    NotCron(String, String),
    /// Cron for a moment that never comes, such as the 31st of February.
    #[error("recurrence {0:?}: that never comes")]
    Never(String),
    /// No moment.
    #[error("start_time {0:?}: seconds since 1970 or a date like \"2026-11-22 12:30:00\" expected")]
    NoStartTime(String),
}

/// When a policy is due.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// Once.
    Once(Timestamp),
    /// Again and again, by the server's local time.
    Recurring(Box<Cron>),
}

impl Schedule {
    /// Reads a `recurrence`. One that never comes is an error here, rather than looked for at each poll.
    pub fn recurrence(text: &str) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser
            .parse(text.trim())
            .map_err(|error| ScheduleError::NotCron(text.to_string(), error.to_string()))?;
        match cron.find_next_occurrence(&LONG_AGO, false) {
            Ok(_) => Ok(Self::Recurring(Box::new(cron))),
            Err(_) => Err(ScheduleError::Never(text.to_string())),
        }
    }

    /// Reads a `start_time`: seconds since 1970, or a date with or without time and offset.
    pub fn start_time(text: &str, zone: &TimeZone) -> Result<Self, ScheduleError> {
        let written = text.trim();
        let epoch = || Timestamp::from_second(written.parse().ok()?).ok();
        let local = || {
            let local = written.parse::<DateTime>().ok()?;
            Some(local.to_zoned(zone.clone()).ok()?.timestamp())
        };
        let at = epoch().or_else(|| written.parse().ok()).or_else(local);
        at.map(Self::Once)
            .ok_or_else(|| ScheduleError::NoStartTime(text.to_string()))
    }

    /// When it was due, if that lies after `last` and not after `now`.
    pub fn due(&self, last: Millis, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.next(last, zone).filter(|due| *due <= now)
    }

    /// When it is next due after this moment.
    pub fn next(&self, last: Millis, zone: &TimeZone) -> Option<Timestamp> {
        let last = Timestamp::from_millisecond(last).ok()?;
        match self {
            Self::Once(at) => Some(*at).filter(|at| *at > last),
            Self::Recurring(cron) => {
                let from: Zoned = last.to_zoned(zone.clone());
                Some(cron.find_next_occurrence(&from, false).ok()?.timestamp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn recurrences_are_due_after_the_last_look_and_up_to_now() {
        for (cron, last, due) in [
            ("* * * * *", "2026-11-22T12:00:30Z", "2026-11-22T12:01:00Z"),
            ("* * * * *", "2026-11-22T12:01:00Z", "2026-11-22T12:02:00Z"),
            (
                "*/20 * * * * *",
                "2026-11-22T12:00:30Z",
                "2026-11-22T12:00:40Z",
            ),
            (
                "0 9 * * mon-fri",
                "2026-11-21T12:00:00Z",
                "2026-11-23T09:00:00Z",
            ),
            (
                "30 8,20 1 JAN *",
                "2026-11-21T12:00:00Z",
                "2027-01-01T08:30:00Z",
            ),
            ("@daily", "2026-11-22T12:00:00Z", "2026-11-23T00:00:00Z"),
            ("@hourly", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"),
            ("0 0 * * 7", "2026-11-21T12:00:00Z", "2026-11-22T00:00:00Z"),
        ] {
            let schedule = Schedule::recurrence(cron).expect(cron);
            let (last, due) = (at(last).as_millisecond(), at(due));
            assert_eq!(schedule.due(last, due, &TimeZone::UTC), Some(due), "{cron}");
            let before = due - jiff::SignedDuration::from_secs(1);
            assert_eq!(schedule.due(last, before, &TimeZone::UTC), None, "{cron}");
        }
    }

    #[test]
    fn a_start_time_is_due_once() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, due) in [
            ("1795350000", "2026-11-22T12:20:00Z"),
            ("2026-11-22 13:20:00", "2026-11-22T12:20:00Z"),
            ("2026-11-22T12:20:00Z", "2026-11-22T12:20:00Z"),
            ("2026-11-22 12:20:00+00:00", "2026-11-22T12:20:00Z"),
            ("2026-11-22", "2026-11-21T23:00:00Z"),
        ] {
            let schedule = Schedule::start_time(text, &zone).expect(text);
            let due = at(due);
            let now = at("2026-11-22T18:00:00Z");
            assert_eq!(
                schedule.due(due.as_millisecond() - 1, now, &zone),
                Some(due),
                "{text}"
            );
            assert_eq!(
                schedule.due(due.as_millisecond(), now, &zone),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_schedule_is_named() {
        for text in [
            "",
            "* * * *",
            "61 * * * *",
            "@sometimes",
            "soon",
            "0 0 31 2 *",
        ] {
            let error = Schedule::recurrence(text).expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        assert!(Schedule::recurrence("0 0 29 2 *").is_ok());
        assert!(Schedule::start_time("tomorrow", &TimeZone::UTC).is_err());
    }
}
