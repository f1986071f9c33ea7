//! The page's files.

/// One file.
#[derive(Debug)]
pub(super) struct PageFile {
    /// Where it is.
    pub(super) path: &'static str,
    /// Its Content-Type.
    pub(super) kind: &'static str,
    /// What it holds.
    pub(super) bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($path:literal $kind:ident $name:literal,)*) => {
        &[$(PageFile { path: $path, kind: $kind, bytes: include_bytes!($name) },)*]
    };
}

/// Every file.
pub(super) const FILES: &[PageFile] = files! {
    "/" HTML "index.html",
    "/page.css" CSS "page.css",
    "/page.js" SCRIPT "page.js",
    "/dom.js" SCRIPT "dom.js",
    "/service.js" SCRIPT "service.js",
    "/plot.js" SCRIPT "plot.js",
    "/timeline.js" SCRIPT "timeline.js",
    "/drawing.js" SCRIPT "drawing.js",
};

/// Where the stream is.
pub(super) const EVENTS: &str = "/events";

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn each_file_that_is_there_is_served() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lab/page");
        let entries = std::fs::read_dir(directory).unwrap();
        let files = entries
            .map(Result::unwrap)
            .filter(|entry| entry.path().is_file());
        let names = files.map(|entry| entry.file_name().into_string().unwrap());
        for name in names.filter(|name| !name.ends_with(".rs")) {
            let path = match name.as_str() {
                "index.html" => "/".to_owned(),
                name => format!("/{name}"),
            };
            assert!(FILES.iter().any(|file| file.path == path), "{name}");
        }
    }
}
