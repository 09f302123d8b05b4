//! Nodes and edges as pictures: DOT for Graphviz, and Mermaid for pages.

use std::fmt::Write;

/// Edges that a picture shows, the first of them: more are a ball of wool, and Mermaid takes no more than 500.
pub const DRAWN_EDGES_MAX: usize = 250;
/// Characters of a label; a longer one is cut.
const LABEL_CHARACTERS_MAX: usize = 60;
/// Where one of these words is followed by a colon, Mermaid takes it for a style.
const STYLE_WORDS: [&str; 2] = ["style", "classDef"];

/// A picture: nodes, and edges between them in the order of their weight.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drawing {
    nodes: Vec<DrawnNode>,
    edges: Vec<DrawnEdge>,
}

/// How a node looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// A box.
    #[default]
    Box,
    /// A box with round corners.
    Round,
    /// A circle: where something begins or ends.
    Circle,
}

#[derive(Debug, Clone, PartialEq)]
struct DrawnNode {
    label: String,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
struct DrawnEdge {
    from: usize,
    to: usize,
    label: String,
}

impl Drawing {
    /// Adds a node; its number is for edges.
    pub fn node(&mut self, label: &str, shape: Shape) -> usize {
        self.nodes.push(DrawnNode { label: label.to_owned(), shape });
        self.nodes.len() - 1
    }

    /// Adds an edge between two nodes.
    pub fn edge(&mut self, from: usize, to: usize, label: &str) {
        self.edges.push(DrawnEdge { from, to, label: label.to_owned() });
    }

    /// How many edges there are too many for a picture.
    pub fn edges_left_out(&self) -> usize {
        self.edges.len().saturating_sub(DRAWN_EDGES_MAX)
    }

    /// The picture in the language of Graphviz.
    ///
    /// ```
    /// use factlog_agents::drawing::{Drawing, Shape};
    /// let mut drawing = Drawing::default();
    /// let (a, b) = (drawing.node("say \"a\"", Shape::Box), drawing.node("b", Shape::Box));
    /// drawing.edge(a, b, "3");
    /// assert!(drawing.dot().contains(r#"n0 [label="say \"a\"""#));
    /// assert!(drawing.mermaid().contains(r##"n0["say #34;a#34;"]"##));
    /// ```
    pub fn dot(&self) -> String {
        let mut text = String::from("digraph factlog {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n");
        let drawn = self.drawn();
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| drawn[*index]) {
            let shape = match node.shape {
                Shape::Box => "shape=box",
                Shape::Round => "shape=box, style=rounded",
                Shape::Circle => "shape=circle",
            };
            let _ = writeln!(text, "  n{index} [label=\"{}\", {shape}];", dot_text(&node.label));
        }
        for edge in self.edges.iter().take(DRAWN_EDGES_MAX) {
            let label = dot_text(&edge.label);
            let _ = writeln!(text, "  n{} -> n{} [label=\"{label}\"];", edge.from, edge.to);
        }
        if self.edges_left_out() > 0 {
            let _ = writeln!(text, "  // {} edges more are left out", self.edges_left_out());
        }
        text.push_str("}\n");
        text
    }

    /// The picture as a flowchart of Mermaid.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let drawn = self.drawn();
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| drawn[*index]) {
            let label = mermaid_text(&node.label);
            let _ = match node.shape {
                Shape::Box => writeln!(text, "  n{index}[\"{label}\"]"),
                Shape::Round => writeln!(text, "  n{index}(\"{label}\")"),
                Shape::Circle => writeln!(text, "  n{index}((\"{label}\"))"),
            };
        }
        for edge in self.edges.iter().take(DRAWN_EDGES_MAX) {
            let label = mermaid_text(&edge.label);
            let _ = writeln!(text, "  n{} -->|\"{label}\"| n{}", edge.from, edge.to);
        }
        if self.edges_left_out() > 0 {
            let _ = writeln!(text, "  %% {} edges more are left out", self.edges_left_out());
        }
        text
    }

    /// Which nodes are drawn: all, unless edges are left out; then those with an edge.
    fn drawn(&self) -> Vec<bool> {
        let mut drawn = vec![self.edges_left_out() == 0; self.nodes.len()];
        for edge in self.edges.iter().take(DRAWN_EDGES_MAX) {
            (drawn[edge.from], drawn[edge.to]) = (true, true);
        }
        drawn
    }
}

/// As much of a text as is shown, in one line, and never nothing.
fn label(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(LABEL_CHARACTERS_MAX)
        .collect();
    if text.chars().nth(LABEL_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    if shown.trim().is_empty() { "?".to_owned() } else { shown }
}

fn dot_text(text: &str) -> String {
    label(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Letters of any script stay; whatever may mean something to Mermaid or to the page around it becomes its number.
fn mermaid_text(text: &str) -> String {
    let shown = label(text);
    let is_like_style = STYLE_WORDS.iter().any(|word| shown.contains(word));
    // What begins like an item of a list would be one.
    let is_like_item = shown.starts_with('-') || shown.starts_with(|first: char| first.is_ascii_digit());
    let mut escaped = String::new();
    for character in shown.chars() {
        let is_plain = character.is_alphanumeric()
            || matches!(character, ' ' | '_' | ',' | '/')
            || (matches!(character, '-' | '.') && !is_like_item)
            || (character == ':' && !is_like_style)
            || !character.is_ascii();
        if is_plain {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "#{};", u32::from(character));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: [&str; 14] = [
        "1. first",
        "- item",
        r#"say "hi""#,
        r"back\slash\",
        "a]b)c}d>e|f",
        "</script><b>&amp;",
        "#35; and #quot;",
        "`markdown` **bold**",
        "end",
        "style x:fill#f9f;",
        "naïve ünïcode “quotes”",
        "🟡 To Do 🤷🏽‍♀️",
        "line\nbreak\u{7}",
        "%% comment -->|x| --",
    ];

    fn drawing() -> Drawing {
        let mut drawing = Drawing::default();
        for name in ODD {
            drawing.node(name, Shape::Box);
        }
        for (index, name) in ODD.iter().enumerate() {
            drawing.edge(index, (index + 1) % ODD.len(), name);
        }
        drawing
    }

    /// What a label says to a reader: the text in one line.
    fn read(text: &str) -> String {
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
    }

    /// The text between the quotes of a line, as Graphviz reads it, and what stands around it.
    fn dot_parts(line: &str) -> (String, String) {
        let (before, rest) = line.split_once("label=\"").unwrap();
        let mut label = String::new();
        let mut characters = rest.chars();
        loop {
            match characters.next().expect("the quote is closed") {
                '"' => break,
                '\\' => label.push(characters.next().unwrap()),
                other => label.push(other),
            }
        }
        (label, format!("{before}{}", characters.as_str()))
    }

    #[test]
    fn odd_names_come_out_of_dot_as_they_went_in_and_change_nothing_around_them() {
        let text = drawing().dot();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("label=")).collect();
        assert_eq!(lines.len(), ODD.len() * 2, "{text}");
        for (index, name) in ODD.iter().enumerate() {
            assert_eq!(dot_parts(lines[index]), (read(name), format!("  n{index} [, shape=box];")));
            let to = (index + 1) % ODD.len();
            assert_eq!(dot_parts(lines[ODD.len() + index]), (read(name), format!("  n{index} -> n{to} [];")));
        }
    }

    /// The text between the quotes of a line, as Mermaid reads it, and what stands around it.
    fn mermaid_parts(line: &str) -> (String, String) {
        let parts: Vec<&str> = line.split('"').collect();
        let [before, escaped, after] = parts[..] else { panic!("{line}") };
        // What it does first with every line, for the sake of colours.
        for word in STYLE_WORDS {
            assert!(!line.split_once(word).is_some_and(|(_, rest)| rest.contains(':')), "{line}");
        }
        let mut label = String::new();
        let mut rest = escaped;
        while let Some((plain, entity)) = rest.split_once('#') {
            let (number, after) = entity.split_once(';').unwrap();
            label.push_str(plain);
            label.push(char::from_u32(number.parse().unwrap()).unwrap());
            rest = after;
        }
        label.push_str(rest);
        assert!(escaped.chars().all(|c| !"\"[](){}<>|`&*\\%".contains(c)), "{escaped}");
        (label, format!("{before}{after}"))
    }

    #[test]
    fn odd_names_come_out_of_mermaid_as_they_went_in_and_change_nothing_around_them() {
        let text = drawing().mermaid();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), ODD.len() * 2, "{text}");
        for (index, name) in ODD.iter().enumerate() {
            assert_eq!(mermaid_parts(lines[index]), (read(name), format!("  n{index}[]")));
            let to = (index + 1) % ODD.len();
            assert_eq!(
                mermaid_parts(lines[ODD.len() + index]),
                (read(name), format!("  n{index} -->|| n{to}"))
            );
        }
    }

    #[test]
    fn a_picture_shows_the_first_edges_and_says_how_many_are_left_out() {
        let mut drawing = Drawing::default();
        let nodes: Vec<usize> = (0..DRAWN_EDGES_MAX + 4).map(|_| drawing.node("", Shape::Round)).collect();
        nodes.windows(2).for_each(|pair| drawing.edge(pair[0], pair[1], ""));
        assert_eq!(drawing.edges_left_out(), 3);
        for text in [drawing.dot(), drawing.mermaid()] {
            assert!(text.contains("3 edges more are left out"), "{text}");
            assert!(!text.contains(&format!("n{}", DRAWN_EDGES_MAX + 2)), "{text}");
        }
        assert_eq!(mermaid_text(&"x".repeat(61)).chars().count(), LABEL_CHARACTERS_MAX + 1);
    }
}
