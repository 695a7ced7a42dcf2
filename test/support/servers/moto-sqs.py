"""moto's SQS, corrected where it differs from AWS, with a clock that a test can move.

python3 moto-sqs.py CLOCK-FILE: the file contains the seconds by which its clock is ahead.
"""

import sys
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

from moto.core import utils
from moto.sqs import constants, models, responses
from moto.sqs.exceptions import ReceiptHandleIsInvalid

CLOCK = sys.argv[1]


def ahead():
    with open(CLOCK, encoding="utf8") as file:
        return float(file.read() or 0)


def unix_time(dt=None):
    return utils.unix_time(dt) + (ahead() if dt is None else 0)


models.unix_time = unix_time
models.unix_time_millis = lambda dt=None: unix_time(dt) * 1000.0

# A message may have 1 MiB (SendMessage), and so may a batch (SendMessageBatch).
for module in (constants, models, responses):
    module.MAXIMUM_MESSAGE_LENGTH = 1_048_576
models.MAXIMUM_MESSAGE_SIZE_ATTR_UPPER_BOUND = 1_048_576

# A handle is stale when its message was received again or its lease has expired: then it changes and deletes nothing
# (ChangeMessageVisibility: MessageNotInflight, ReceiptHandleIsInvalid; DeleteMessage).
change_message_visibility = models.SQSBackend.change_message_visibility
delete_message = models.Queue.delete_message


def holds(queue, handle):
    return any(m.receipt_handle == handle and not m.visible for m in queue._messages)


def change_held(self, queue_name, receipt_handle, visibility_timeout):
    if not holds(self.get_queue(queue_name), receipt_handle):
        raise ReceiptHandleIsInvalid
    return change_message_visibility(self, queue_name, receipt_handle, visibility_timeout)


def delete_held(self, receipt_handle):
    if holds(self, receipt_handle):
        delete_message(self, receipt_handle)


models.SQSBackend.change_message_visibility = change_held
models.Queue.delete_message = delete_held

# Attributes can also be requested by the newer parameter (ReceiveMessage: MessageSystemAttributeNames).
get_param = responses.SQSResponse._get_param


def get_renamed_param(self, param_name, if_none=None):
    value = get_param(self, param_name, if_none)
    if param_name == "AttributeNames" and not value:
        return get_param(self, "MessageSystemAttributeNames", if_none)
    return value


responses.SQSResponse._get_param = get_renamed_param

# A response has one Date header, with the server's clock; moto adds a second one with local time.
setup_class = responses.SQSResponse.setup_class


def setup_with_clock(self, *args, **kwargs):
    setup_class(self, *args, **kwargs)
    del self.response_headers["date"]


responses.SQSResponse.setup_class = setup_with_clock
BaseHTTPRequestHandler.date_time_string = lambda self, timestamp=None: formatdate(
    time.time() + ahead() if timestamp is None else timestamp, usegmt=True
)

import moto_base  # noqa: E402, F401
from moto.server import main  # noqa: E402

main(["-H", "127.0.0.1", "-p", "0"])
