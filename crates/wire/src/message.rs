//! The msgpack-RPC envelope (<https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md>), as
//! Neovim speaks it: `[0, id, method, params]`, `[1, id, error, result]`, `[2, method, params]`.

use rmpv::Value;

use crate::FrameError;
use crate::pack::Packer;

/// One message of a msgpack-RPC conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Asks the peer for something; the peer answers with the same `id`.
    Request {
        /// Chosen by the asker, unique among its open requests.
        id: u64,
        /// What is asked.
        method: String,
        /// Positional arguments.
        params: Vec<Value>,
    },
    /// Answers a request. `error` is nil on success.
    Response {
        /// The id of the request.
        id: u64,
        /// What went wrong, or nil.
        error: Value,
        /// The result, or nil.
        result: Value,
    },
    /// Tells the peer something; no answer.
    Notification {
        /// What is told.
        method: String,
        /// Positional arguments.
        params: Vec<Value>,
    },
}

/// Says why a frame is not a msgpack-RPC message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The bytes are not acceptable msgpack.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The bytes are msgpack that rmpv cannot decode.
    #[error("the message is not valid msgpack: {0}")]
    Decode(#[from] rmpv::decode::Error),
    /// The value is not an RPC envelope.
    #[error("not a msgpack-RPC message: {0}")]
    Shape(&'static str),
}

impl Message {
    /// Decodes one whole frame.
    ///
    /// # Errors
    /// [`MessageError`] when the frame is not an RPC envelope; the connection may go on.
    pub fn decode(frame: &[u8]) -> Result<Message, MessageError> {
        let mut rest = frame;
        let value = rmpv::decode::read_value(&mut rest)?;
        let Value::Array(items) = value else { return Err(MessageError::Shape("it is not an array")) };
        let mut items = items.into_iter();
        let kind = items.next().as_ref().and_then(Value::as_u64);
        let message = match (kind, items.len()) {
            (Some(0), 3) => Message::Request {
                id: id(items.next())?,
                method: text(items.next())?,
                params: array(items.next())?,
            },
            (Some(1), 3) => Message::Response {
                id: id(items.next())?,
                error: items.next().unwrap_or(Value::Nil),
                result: items.next().unwrap_or(Value::Nil),
            },
            (Some(2), 2) => {
                Message::Notification { method: text(items.next())?, params: array(items.next())? }
            }
            _ => {
                return Err(MessageError::Shape(
                    "its first element or its length is none of the three kinds",
                ));
            }
        };
        Ok(message)
    }

    /// Encodes the answer to a request whose result is packed already.
    pub fn packed_response(id: u64, result: &[u8]) -> Vec<u8> {
        let mut packer = Packer::with_capacity(result.len() + 16);
        packer.list(4);
        packer.number(1);
        packer.number(id);
        packer.nil();
        let mut bytes = packer.into_bytes();
        bytes.extend_from_slice(result);
        bytes
    }

    /// Encodes the message as one frame.
    pub fn encode(&self) -> Vec<u8> {
        let value = match self {
            Message::Request { id, method, params } => Value::Array(vec![
                Value::from(0u8),
                Value::from(*id),
                Value::from(method.as_str()),
                Value::Array(params.clone()),
            ]),
            Message::Response { id, error, result } => {
                Value::Array(vec![Value::from(1u8), Value::from(*id), error.clone(), result.clone()])
            }
            Message::Notification { method, params } => Value::Array(vec![
                Value::from(2u8),
                Value::from(method.as_str()),
                Value::Array(params.clone()),
            ]),
        };
        encode_value(&value)
    }
}

/// Encodes any value; writing into memory cannot fail.
pub fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let written = rmpv::encode::write_value(&mut out, value);
    debug_assert!(written.is_ok(), "writing into memory");
    out
}

fn id(value: Option<Value>) -> Result<u64, MessageError> {
    value.as_ref().and_then(Value::as_u64).ok_or(MessageError::Shape("its id is not a positive integer"))
}

fn text(value: Option<Value>) -> Result<String, MessageError> {
    match value {
        Some(Value::String(name)) => {
            name.into_str().ok_or(MessageError::Shape("its method is not valid UTF-8"))
        }
        _ => Err(MessageError::Shape("its method is not a string")),
    }
}

fn array(value: Option<Value>) -> Result<Vec<Value>, MessageError> {
    match value {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(MessageError::Shape("its params are not an array")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_survives_the_round_trip() {
        for message in [
            Message::Request { id: 7, method: "status".into(), params: vec![Value::from(1)] },
            Message::Response { id: 7, error: Value::Nil, result: Value::from("ok") },
            Message::Notification { method: "tick".into(), params: vec![] },
        ] {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }

    #[test]
    fn a_packed_result_is_answered_like_any_other() {
        for id in [0, 7, 300, u64::MAX] {
            let result = Value::Array(vec![Value::from("ok"), Value::Nil]);
            let packed = Message::packed_response(id, &encode_value(&result));
            assert_eq!(packed, Message::Response { id, error: Value::Nil, result }.encode());
        }
    }

    #[test]
    fn what_is_not_an_envelope_is_refused_with_its_reason() {
        for (value, reason) in [
            (Value::from(3), "not an array"),
            (Value::Array(vec![Value::from(9), Value::from(1)]), "none of the three kinds"),
            (Value::Array(vec![Value::from(2), Value::from(1), Value::Array(vec![])]), "not a string"),
            (Value::Array(vec![Value::from(2), Value::from("x"), Value::Nil]), "not an array"),
            (
                Value::Array(vec![Value::from(0), Value::from(-1), Value::from("x"), Value::Array(vec![])]),
                "not a positive integer",
            ),
        ] {
            let error = Message::decode(&encode_value(&value)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error} should say {reason}");
        }
    }
}
