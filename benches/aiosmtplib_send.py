"""Sends messages with aiosmtplib over kept connections: PORT CONNECTIONS MESSAGES OCTETS."""
import asyncio
import sys
from email.message import EmailMessage

import aiosmtplib

PORT, CONNECTIONS, MESSAGES, OCTETS = map(int, sys.argv[1:5])


async def session(count):
    line = "x" * 70 + "\n"
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=PORT, start_tls=False, use_tls=False) as client:
        for number in range(count):
            message = EmailMessage()
            message["From"] = "hello@brand.example"
            message["To"] = "person@example.org"
            message["Subject"] = f"Number {number}"
            message.set_content(line * (OCTETS // len(line)))
            await client.send_message(message)


async def main():
    share, rest = divmod(MESSAGES, CONNECTIONS)
    await asyncio.gather(*(session(share + (1 if n < rest else 0)) for n in range(CONNECTIONS)))


asyncio.run(main())
