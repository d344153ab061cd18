"""What this tracker is about, which is data: ``queries/topic/``, beside the questions.

``current()`` is the topic of this process, wherever something of it is needed.
"""

from tracker.topic.current import current, folder, rules, use

__all__ = ["current", "folder", "rules", "use"]
