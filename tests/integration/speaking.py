# SPDX-License-Identifier: Apache-2.0
"""A Nova that speaks much: sends recorded-like messages over RabbitMQ at a steady rate.

    python -m tests.integration.speaking AMQP_URL FILE PER_SECOND

FILE has one message per line, as oslo.messaging's listener hands them over. It is a process of its
own, so that it takes no time from who listens.
"""

import json
import sys
import threading
import time
from datetime import UTC, datetime

import kombu


def main(url: str, file: str, rate: float) -> None:
    """Send them all; a sender that is late sends faster until it has caught up."""
    with open(file, encoding="utf-8") as lines:
        messages = [json.loads(line) for line in lines]
    exchange = kombu.Exchange("nova", type="topic", durable=False, auto_delete=False)
    begun = time.monotonic()
    with kombu.Connection(url) as connection:
        producer = kombu.Producer(connection.channel(), exchange)
        for number, message in enumerate(messages):
            early_s = begun + number / rate - time.monotonic()
            if early_s > 0:
                threading.Event().wait(early_s)
            body = {
                "message_id": str(number),
                "publisher_id": message["publisher_id"],
                "event_type": message["event_type"],
                "priority": "INFO",
                "payload": message["payload"],
                "timestamp": str(datetime.now(UTC).replace(tzinfo=None)),
            }
            producer.publish(
                json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(body)}),
                routing_key="versioned_notifications.info",
                content_type="application/json",
            )
    print(f"{len(messages) / (time.monotonic() - begun):.0f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
