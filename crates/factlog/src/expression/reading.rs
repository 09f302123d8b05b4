//! An expression as it is read: what no stack is enough for, no time or no memory, is refused.

use std::thread;

use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, operators};
use cel::{IdedExpr, Program};

/// How deep its parts nest; a sum of so many is as deep as that.
const EXPRESSION_DEPTH_MAX: usize = 32;
/// How many of `all`, `exists`, `map` and `filter` stand in each other: each looks through a list once more.
const EXPRESSION_LOOPS_MAX: usize = 2;
/// How much larger than what it looks at may be what it adds up: a loop over a loop that doubles a text grows without end.
const EXPRESSION_GROWTH_MAX: usize = 256;
/// The stack that an expression is read on.
const READING_STACK_BYTES: usize = 64 << 20;

/// Reads an expression beside the caller: that takes some stack for each of its parts, and may panic.
pub(super) fn read(text: &str) -> Result<Program, String> {
    let read = || {
        let program = Program::compile(text).map_err(|cause| cause.to_string())?;
        check_nesting(program.expression())?;
        Ok(program)
    };
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(READING_STACK_BYTES).spawn_scoped(scope, read);
        let read = reader.map_err(|cause| cause.to_string())?.join();
        read.unwrap_or_else(|_| Err("it cannot be read".to_owned()))
    })
}

/// Refuses what could not be evaluated on any stack, or in any time.
fn check_nesting(program: &IdedExpr) -> Result<(), String> {
    let mut open = vec![(program, 1, 0)];
    while let Some((part, depth, loops)) = open.pop() {
        if depth > EXPRESSION_DEPTH_MAX {
            return Err(format!("its parts are nested deeper than {EXPRESSION_DEPTH_MAX}"));
        }
        if loops > EXPRESSION_LOOPS_MAX {
            return Err(format!(
                "more than {EXPRESSION_LOOPS_MAX} of all, exists, map and filter stand in each other"
            ));
        }
        parts(part, |inner, more_loops| open.push((inner, depth + 1, loops + more_loops)));
    }
    match growth(program) {
        growth if growth > EXPRESSION_GROWTH_MAX => Err("it adds up too much".to_owned()),
        _ => Ok(()),
    }
}

/// How many times what an expression looks at can be in what it comes to, at the most; its depth was looked at before.
fn growth(part: &IdedExpr) -> usize {
    let sum = |parts: &[IdedExpr]| parts.iter().map(growth).fold(0, usize::saturating_add);
    match &part.expr {
        Expr::Call(call) if call.func_name == operators::ADD => sum(&call.args),
        Expr::Call(call) => {
            call.target.as_deref().into_iter().chain(&call.args).map(growth).max().unwrap_or(0)
        }
        Expr::Select(select) => growth(&select.operand),
        Expr::List(list) => sum(&list.elements),
        Expr::Map(map) => made_growth(&map.entries),
        Expr::Struct(made) => made_growth(&made.entries),
        Expr::Comprehension(looped) => {
            growth(&looped.iter_range).max(1).saturating_mul(growth(&looped.loop_step).max(1))
        }
        Expr::Ident(_) => 1,
        Expr::Unspecified | Expr::Literal(_) => 0,
    }
}

fn made_growth(entries: &[IdedEntryExpr]) -> usize {
    let mut sum: usize = 0;
    entry_parts(entries, |part| sum = sum.saturating_add(growth(part)));
    sum
}

/// The parts of an expression, each with the number of loops that it stands in within it.
pub(super) fn parts<'e>(part: &'e IdedExpr, mut add: impl FnMut(&'e IdedExpr, usize)) {
    match &part.expr {
        Expr::Call(call) => {
            call.target.as_deref().into_iter().chain(&call.args).for_each(|part| add(part, 0));
        }
        Expr::Select(select) => add(&select.operand, 0),
        Expr::List(list) => list.elements.iter().for_each(|part| add(part, 0)),
        Expr::Map(map) => entry_parts(&map.entries, |part| add(part, 0)),
        Expr::Struct(made) => entry_parts(&made.entries, |part| add(part, 0)),
        Expr::Comprehension(looped) => {
            [&looped.iter_range, &looped.accu_init].into_iter().for_each(|part| add(part, 0));
            [&looped.loop_cond, &looped.loop_step, &looped.result].into_iter().for_each(|part| add(part, 1));
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn entry_parts<'e>(entries: &'e [IdedEntryExpr], mut add: impl FnMut(&'e IdedExpr)) {
    for entry in entries {
        match &entry.expr {
            EntryExpr::StructField(field) => add(&field.value),
            EntryExpr::MapEntry(entry) => {
                add(&entry.key);
                add(&entry.value);
            }
        }
    }
}
