//! A context CD-ROM that somebody has mounted already.

use std::path::Path;

use super::cdrom;
use super::search::{Search, why};
use crate::limits::MAX_MOUNTS;
use crate::mountinfo::{self, MOUNTINFO, Mount};

/// The major device number of loop devices.
const LOOP: &str = "7:";

/// Every ISO9660 file system that is mounted; it is the context's only if its volume says so.
pub(super) fn look(search: &mut Search<'_>) {
    let text = match search.root.read(Path::new(MOUNTINFO)) {
        Ok(text) => text,
        Err(error) => return search.problem(search.root.shown(Path::new(MOUNTINFO)), why(&error)),
    };
    let mounts: Vec<Mount> = mountinfo::mounts(&text)
        .filter(|mount| mount.kind == "iso9660")
        .take(MAX_MOUNTS)
        .collect();
    if mounts.is_empty() {
        search.problem("mounted file systems", "no ISO9660 among them");
    }
    let mut found: Vec<Mount> = Vec::new();
    for mount in mounts {
        let Mount {
            number,
            point,
            device,
            ..
        } = &mount;
        let place = search.root.shown(point);
        if number.starts_with(LOOP) {
            search.problem(place, "mounted from a file, which the context never is");
            continue;
        }
        match search
            .root
            .open_device(device)
            .and_then(|device| cdrom::label(&device))
        {
            Ok(Some(label)) if label == cdrom::LABEL => found.push(mount),
            Ok(Some(label)) => search.problem(
                place,
                format!("mounted from a volume with the label {label:?}"),
            ),
            Ok(None) => search.problem(place, "mounted from a volume without a label"),
            Err(error) => {
                let device = search.root.shown(device);
                search.problem(
                    place,
                    format!("can't read the label of {device}: {}", why(&error)),
                );
            }
        }
    }
    let Some(first) = found.first() else { return };
    if found.iter().any(|other| other.number != first.number) {
        let points = found.iter().map(|it| search.root.shown(&it.point));
        let points: Vec<_> = points.collect();
        return search.problem(points.join(", "), cdrom::SEVERAL);
    }
    for Mount { point, .. } in found {
        let (root, place) = (search.root.clone(), search.root.shown(&point));
        search.take_directory(&format!("{place}/"), &|name| root.read(&point.join(name)));
        if search.is_complete() {
            return;
        }
    }
}
