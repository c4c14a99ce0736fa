"""Messages to core dataclasses and back: loss-free, and checked at the door.

``x_to_message`` never fails on a valid dataclass; ``x_from_message`` raises InvalidInputError on anything that is not
one. Bulk numbers travel as ``array.array`` filled from bytes and are read as views of the message's own memory: treat
a message as gone once it is converted.
"""
