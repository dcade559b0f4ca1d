//! Just enough of a Rust lexer to look at names without being fooled by
//! comments, texts and test code.

/// A name or a punctuation character, and the line it is on (from 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A source file in pieces.
pub struct Source {
    /// Names, numbers and punctuation outside of tests, comments and texts.
    pub tokens: Vec<Token>,
    /// Text of each line's comment, if it has one; index 0 is line 1.
    pub comments: Vec<String>,
}

impl Source {
    pub fn new(text: &str) -> Self {
        let mut lexer = Lexer {
            rest: text,
            line: 1,
            tokens: Vec::new(),
            comments: vec![String::new(); text.lines().count() + 1],
        };
        while lexer.step() {}
        Self {
            tokens: without_tests(&lexer.tokens),
            comments: lexer.comments,
        }
    }

    /// Whether `phrase` is in the comment of `line` or in those directly above.
    pub fn is_explained(&self, line: usize, phrase: &str) -> bool {
        let comment = |line: usize| &self.comments[line - 1];
        let above = (1..line)
            .rev()
            .take_while(|&line| !comment(line).is_empty());
        comment(line).contains(phrase) || above.into_iter().any(|at| comment(at).contains(phrase))
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<String>,
}

impl Lexer<'_> {
    /// Reads one piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        if self.rest.starts_with("//") {
            let length = self.rest.find('\n').unwrap_or(self.rest.len());
            self.comments[self.line - 1].push_str(&self.rest[..length]);
            self.take(length);
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some(length) = text_literal(self.rest) {
            self.push("\"\"");
            self.take(length);
        } else if first.is_alphanumeric() || first == '_' {
            let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let length = end.unwrap_or(self.rest.len());
            let name = self.rest[..length].to_owned();
            self.push(&name);
            self.take(length);
        } else {
            let length = if self.rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                let text = self.rest[..length].to_owned();
                self.push(&text);
            }
            self.take(length);
        }
        true
    }

    fn push(&mut self, text: &str) {
        let (text, line) = (text.to_owned(), self.line);
        self.tokens.push(Token { text, line });
    }

    fn take(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

/// The length of a block comment, nested ones included.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string or character literal that `text` begins with.
fn text_literal(text: &str) -> Option<usize> {
    let bare = ["br", "cr", "b", "c", "r"].iter().find_map(|prefix| {
        let bare = text.strip_prefix(prefix)?;
        bare.starts_with(['"', '#', '\'']).then_some(bare)
    });
    let raw = bare.is_some() && text[..text.len() - bare?.len()].ends_with('r');
    let body = bare.unwrap_or(text);
    let prefix = text.len() - body.len();
    if raw {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let inner = body[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
        return Some(prefix + hashes + 1 + length);
    }
    if let Some(inner) = body.strip_prefix('"') {
        return Some(prefix + 1 + closing(inner, '"'));
    }
    let inner = body.strip_prefix('\'')?;
    // A character, not a lifetime: it is escaped, or a quote follows it.
    let mut characters = inner.chars();
    let first = characters.next()?;
    (first == '\\' || characters.next() == Some('\'')).then(|| prefix + 1 + closing(inner, '\''))
}

/// The length up to and with the first unescaped `quote`.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == quote && !escaped {
            return at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    text.len()
}

/// The tokens without items under `#[cfg(test)]` and `#[test]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |pattern: &[&str]| {
            let found = tokens[at..].iter().map(|token| token.text.as_str());
            found.take(pattern.len()).eq(pattern.iter().copied())
        };
        let attribute = if is(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            7
        } else if is(&["#", "[", "test", "]"]) {
            4
        } else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        at = end_of_item(tokens, at + attribute);
    }
    kept
}

/// The index after the item that begins at `at`: after its `;`, or after the
/// block that closes it.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        let text = tokens[at].text.as_str();
        at += 1;
        if depth == 0 && (text == ";" || text == "}") {
            break;
        }
    }
    at
}
