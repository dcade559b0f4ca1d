//! Which tensors a pickle describes. Nothing in it is run: candle's reader
//! turns it into plain objects, and names of functions stay names.
//!
//! That reader copies what is remembered, nests as deep as the pickle says and
//! allocates strings before it reads them, so each step is weighed before it is
//! taken: a pickle of a few bytes could otherwise ask for all memory.

use super::torch;
use candle_core::pickle::{Object, Stack};
use safetensors::Dtype;
use std::collections::HashMap;

/// The newest protocol that the reader knows, which is what PyTorch writes.
const PROTOCOL: u8 = 2;
/// Steps and objects per byte of a pickle that are believed. Checkpoints need
/// about one.
const COST_PER_BYTE: usize = 16;
/// The same for very small and very large pickles.
const COST: (usize, usize) = (1 << 16, 1 << 22);
/// How deep objects may lie in each other.
const MAX_DEPTH: usize = 64;
/// Characters of a text that cost as much as an object.
const TEXT: usize = 16;

/// Opcodes that need care; see `pickletools.py` of CPython.
mod op {
    pub const PROTO: u8 = 0x80;
    pub const BINUNICODE: u8 = b'X';
    pub const LONG1: u8 = 0x8a;
    pub const BINGET: u8 = b'h';
    pub const LONG_BINGET: u8 = b'j';
    pub const BINPUT: u8 = b'q';
    pub const LONG_BINPUT: u8 = b'r';
    pub const APPEND: u8 = b'a';
    pub const APPENDS: u8 = b'e';
    pub const SETITEM: u8 = b's';
    pub const SETITEMS: u8 = b'u';
    /// Those that make an object of others: TUPLE, TUPLE1 to 3, REDUCE, BUILD,
    /// BINPERSID, NEWOBJ, DICT.
    pub const NESTING: [u8; 9] = [b't', 0x85, 0x86, 0x87, b'R', b'b', b'Q', 0x81, b'd'];
}

/// A tensor, as a pickle describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Described {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// In values, one per axis.
    pub strides: Vec<usize>,
    /// First value in the storage.
    pub offset: usize,
    /// Name of the storage.
    pub storage: String,
}

/// The tensors of a pickle: those of the dictionary, at any depth, that holds
/// most of them, so `{"model": {…}, "optimizer": {…}}` works too.
///
/// # Errors
/// Why the pickle cannot be used.
pub(super) fn tensors(bytes: &[u8]) -> Result<Vec<Described>, String> {
    let object = Reader::new(bytes).read()?;
    let mut tensors = Vec::new();
    largest(&object, &mut tensors);
    if tensors.is_empty() {
        return Err(match object {
            Object::Build { .. } | Object::Reduce { .. } => {
                "it holds a program, not its state dict"
            }
            _ => "it holds no tensors by name",
        }
        .to_owned());
    }
    // Data-parallel training puts everything into a module of that name.
    let wrapped = tensors
        .iter()
        .all(|tensor| tensor.name.starts_with("module."));
    if wrapped {
        for tensor in &mut tensors {
            tensor.name.drain(.."module.".len());
        }
    }
    Ok(tensors)
}

struct Reader<'a> {
    rest: &'a [u8],
    stack: Stack,
    /// Costs of what is remembered.
    remembered: HashMap<u32, usize>,
    budget: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            stack: Stack::empty(),
            remembered: HashMap::new(),
            budget: (bytes.len() * COST_PER_BYTE).clamp(COST.0, COST.1),
        }
    }

    fn read(mut self) -> Result<Object, String> {
        loop {
            let step = self.rest;
            let code = *step.first().ok_or("its pickle is cut off")?;
            self.allow(step)?;
            let before = self.length_to_grow(code);
            let stop = self.stack.read(&mut self.rest).map_err(brief)?;
            if stop {
                return self.stack.finalize().map_err(brief);
            }
            self.weigh(step, before)?;
        }
    }

    /// Before a step: what it would take.
    fn allow(&mut self, step: &[u8]) -> Result<(), String> {
        let cost = match step[0] {
            op::BINUNICODE => {
                let length = argument(step, 4).ok_or("its pickle is cut off")? as usize;
                if length > step.len() - 5 {
                    return Err(format!("its pickle claims a text of {length} bytes"));
                }
                1 + length / TEXT
            }
            op::PROTO if step.get(1).is_some_and(|protocol| *protocol > PROTOCOL) => {
                return Err(format!(
                    "its pickle has protocol {}, not {PROTOCOL}",
                    step[1]
                ));
            }
            op::LONG1 if step.get(1).is_none_or(|length| *length > 8) => {
                return Err("its pickle holds a number that is too long".to_owned());
            }
            op::BINGET | op::LONG_BINGET => {
                let place = place(step, op::BINGET);
                place
                    .and_then(|at| self.remembered.get(&at).copied())
                    .unwrap_or(1)
            }
            _ => 1,
        };
        self.pay(cost)
    }

    /// Before a step that adds to a list or dictionary: how long that is.
    fn length_to_grow(&self, code: u8) -> usize {
        let stack = self.stack.stack();
        let below = match code {
            op::APPEND => stack.len().checked_sub(2),
            op::SETITEM => stack.len().checked_sub(3),
            op::APPENDS | op::SETITEMS => {
                let mark = stack.iter().rposition(|object| *object == Object::Mark);
                mark.and_then(|mark| mark.checked_sub(1))
            }
            _ => None,
        };
        match below.and_then(|at| stack.get(at)) {
            Some(Object::List(objects)) => objects.len(),
            Some(Object::Dict(pairs)) => pairs.len(),
            _ => 0,
        }
    }

    /// After a step: what it has made, or added to something of length
    /// `before`.
    fn weigh(&mut self, step: &[u8], before: usize) -> Result<(), String> {
        let Some(object) = self.stack.stack().last() else {
            return Ok(());
        };
        let cost = match (step[0], object) {
            (op::APPEND | op::APPENDS, Object::List(objects)) => sum(&objects[before..], 0),
            (op::SETITEM | op::SETITEMS, Object::Dict(pairs)) => sum_pairs(&pairs[before..], 0),
            (op::BINPUT | op::LONG_BINPUT, _) => cost(object, 0),
            (code, _) if op::NESTING.contains(&code) => cost(object, 0),
            _ => return Ok(()),
        };
        let cost = cost.ok_or("its pickle is nested too deep")?;
        if [op::BINPUT, op::LONG_BINPUT].contains(&step[0])
            && let Some(at) = place(step, op::BINPUT)
        {
            self.remembered.insert(at, cost);
        }
        self.pay(cost)
    }

    fn pay(&mut self, cost: usize) -> Result<(), String> {
        let left = self.budget.checked_sub(cost);
        self.budget = left.ok_or("its pickle unfolds to far more than it is")?;
        Ok(())
    }
}

/// Where something is remembered: one byte after the opcode `short`, else four.
fn place(step: &[u8], short: u8) -> Option<u32> {
    argument(step, if step[0] == short { 1 } else { 4 })
}

/// The number of `width` bytes after an opcode.
fn argument(step: &[u8], width: usize) -> Option<u32> {
    let bytes = step.get(1..=width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)),
    )
}

/// Number of objects in an object at that depth; `None` if it is nested too
/// deep.
fn cost(object: &Object, depth: usize) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let inner = |object: &Object| cost(object, depth + 1);
    match object {
        Object::Tuple(objects) | Object::List(objects) => sum(objects, depth),
        Object::Dict(pairs) => sum_pairs(pairs, depth),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            Some(1 + inner(callable)? + inner(args)?)
        }
        Object::PersistentLoad(object) => Some(1 + inner(object)?),
        Object::Unicode(text) => Some(1 + text.len() / TEXT),
        Object::Class {
            module_name,
            class_name,
        } => Some(1 + (module_name.len() + class_name.len()) / TEXT),
        _ => Some(1),
    }
}

/// The costs of objects in something at that depth, and of that itself.
fn sum(objects: &[Object], depth: usize) -> Option<usize> {
    let mut objects = objects.iter();
    objects.try_fold(1, |sum, object| Some(sum + cost(object, depth + 1)?))
}

fn sum_pairs(pairs: &[(Object, Object)], depth: usize) -> Option<usize> {
    pairs.iter().try_fold(1, |sum, (key, value)| {
        Some(sum + cost(key, depth + 1)? + cost(value, depth + 1)?)
    })
}

fn brief(error: candle_core::Error) -> String {
    const LENGTH: usize = 80;
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    format!(
        "its pickle: {}",
        line.chars().take(LENGTH).collect::<String>()
    )
}

/// Put the tensors of the dictionary that holds most of them into `best`.
fn largest(object: &Object, best: &mut Vec<Described>) {
    let Object::Dict(pairs) = object else {
        return;
    };
    let named = pairs.iter().filter_map(|(name, value)| match name {
        Object::Unicode(name) => describe(name, value),
        _ => None,
    });
    let found: Vec<Described> = named.collect();
    if found.len() > best.len() {
        *best = found;
    }
    for (_, value) in pairs {
        largest(value, best);
    }
}

/// The tensor that an object stands for, if it does.
fn describe(name: &str, object: &Object) -> Option<Described> {
    let Object::Reduce { callable, args } = object else {
        return None;
    };
    let (function, args) = (function(callable)?, tuple(args)?);
    match function {
        // storage, offset, size, stride, requires_grad, hooks
        "torch._utils._rebuild_tensor_v2" => rebuilt(name, args),
        // data, requires_grad, hooks
        "torch._utils._rebuild_parameter" => describe(name, args.first()?),
        // function, type, arguments, state
        "torch._tensor._rebuild_from_type_v2" => {
            let callable = Box::new(args.first()?.clone());
            let args = Box::new(args.get(2)?.clone());
            describe(name, &Object::Reduce { callable, args })
        }
        _ => None,
    }
}

/// Module and name of a function that we know.
fn function(callable: &Object) -> Option<&'static str> {
    const KNOWN: [&str; 3] = [
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._tensor._rebuild_from_type_v2",
    ];
    let Object::Class {
        module_name,
        class_name,
    } = callable
    else {
        return None;
    };
    let name = format!("{module_name}.{class_name}");
    KNOWN.into_iter().find(|known| *known == name)
}

fn rebuilt(name: &str, args: &[Object]) -> Option<Described> {
    let [storage, offset, size, strides, ..] = args else {
        return None;
    };
    let Object::PersistentLoad(storage) = storage else {
        return None;
    };
    // "storage", class, name, device, number of values
    let [
        _,
        Object::Class { class_name, .. },
        Object::Unicode(storage),
        ..,
    ] = tuple(storage)?
    else {
        return None;
    };
    let (shape, strides) = (numbers(size)?, numbers(strides)?);
    (shape.len() == strides.len()).then_some(())?;
    Some(Described {
        name: name.to_owned(),
        dtype: torch::dtype(class_name)?,
        shape,
        strides,
        offset: number(offset)?,
        storage: storage.clone(),
    })
}

fn tuple(object: &Object) -> Option<&[Object]> {
    match object {
        Object::Tuple(objects) => Some(objects),
        _ => None,
    }
}

fn numbers(object: &Object) -> Option<Vec<usize>> {
    tuple(object)?.iter().map(number).collect()
}

fn number(object: &Object) -> Option<usize> {
    match object {
        Object::Int(value) => usize::try_from(*value).ok(),
        Object::Long(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
