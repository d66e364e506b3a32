"""Chat. What it needs of models and files comes from ``chat_ports.py``."""

from functools import cached_property
from typing import TYPE_CHECKING

from .ai import AiParts

if TYPE_CHECKING:
    from shared_code.auth.ports import Exporter
    from shared_code.chat.attachments import Attachments
    from shared_code.chat.contents import Contents
    from shared_code.chat.conversations import Conversations
    from shared_code.chat.events import ChatEvents
    from shared_code.chat.exporting import Exporting
    from shared_code.chat.finishing import Finishing
    from shared_code.chat.following import Following
    from shared_code.chat.importing import Importing
    from shared_code.chat.managing import Managing
    from shared_code.chat.messages import Messages
    from shared_code.chat.paging import Paging
    from shared_code.chat.ports import Answers, Files
    from shared_code.chat.removal import Removal
    from shared_code.chat.running import Runs
    from shared_code.chat.search import Search
    from shared_code.chat.search_index import SearchIndex
    from shared_code.chat.service import Chat


class ChatParts(AiParts):
    @cached_property
    def chat_answers(self) -> "Answers":
        from .chat_ports import GatewayAnswers

        return GatewayAnswers(self)

    @cached_property
    def chat_files(self) -> "Files":
        from .chat_ports import StoredFiles

        return StoredFiles(self)

    @cached_property
    def chat_conversations(self) -> "Conversations":
        from shared_code.chat.conversations import Conversations

        return Conversations(self.storage.tables, self.clock)

    @cached_property
    def chat_contents(self) -> "Contents":
        from shared_code.chat.contents import Contents

        return Contents(self.storage.blobs, self.clock)

    @cached_property
    def chat_finishing(self) -> "Finishing":
        from shared_code.chat.finishing import Finishing

        return Finishing(self.storage.tables, self.clock, self.chat_contents, self.events)

    @cached_property
    def chat_messages(self) -> "Messages":
        from shared_code.chat.messages import Messages

        return Messages(self.storage.tables, self.chat_contents, self.chat_finishing.settle)

    @cached_property
    def chat_paging(self) -> "Paging":
        from shared_code.chat.paging import Paging

        return Paging(self.chat_conversations, self.chat_messages)

    @cached_property
    def chat_runs(self) -> "Runs":
        from shared_code.chat.running import Runs

        return Runs(tables=self.storage.tables, clock=self.clock, answers=self.chat_answers, finishing=self.chat_finishing)

    @cached_property
    def chat_following(self) -> "Following":
        from shared_code.chat.following import Following

        return Following(self.chat_messages, self.chat_runs)

    @cached_property
    def chat_attachments(self) -> "Attachments":
        from shared_code.chat.attachments import Attachments

        return Attachments(self.chat_files)

    @cached_property
    def chat_managing(self) -> "Managing":
        from shared_code.chat.managing import Managing

        return Managing(self.chat_conversations, self.chat_messages, self.chat_answers, self.events)

    @cached_property
    def chat(self) -> "Chat":
        from shared_code.chat.history import History
        from shared_code.chat.placing import Placing
        from shared_code.chat.service import Chat

        tables, conversations, messages = self.storage.tables, self.chat_conversations, self.chat_messages
        return Chat(
            tables=tables,
            clock=self.clock,
            answers=self.chat_answers,
            conversations=conversations,
            messages=messages,
            placing=Placing(tables, self.clock, conversations, messages, self.chat_contents),
            runs=self.chat_runs,
            finishing=self.chat_finishing,
            attachments=self.chat_attachments,
            history=History(messages, self.chat_attachments),
        )

    @cached_property
    def chat_index(self) -> "SearchIndex":
        from shared_code.chat.search_index import SearchIndex

        return SearchIndex(self.storage.tables, self.storage.blobs, self.clock, self.chat_messages)

    @cached_property
    def chat_search(self) -> "Search":
        from shared_code.chat.search import Search

        return Search(self.storage.tables, self.chat_conversations, self.chat_index)

    @cached_property
    def chat_exporting(self) -> "Exporting":
        from shared_code.chat.exporting import Exporting

        return Exporting(self.chat_messages)

    @cached_property
    def chat_importing(self) -> "Importing":
        from shared_code.chat.importing import Importing
        from shared_code.rate_limit import Rule

        rate = Rule.of(self.settings.chat_import_rate)
        return Importing(self.storage.tables, self.clock, self.chat_contents, self.events, self.limiter, rate)

    @cached_property
    def chat_removal(self) -> "Removal":
        from shared_code.chat.removal import Removal

        return Removal(
            tables=self.storage.tables,
            blobs=self.storage.blobs,
            clock=self.clock,
            conversations=self.chat_conversations,
            index=self.chat_index,
            events=self.events,
        )

    @cached_property
    def chat_events(self) -> "ChatEvents":
        from shared_code.chat.events import ChatEvents
        from shared_code.chat.titles import Titles

        titles = Titles(self.chat_conversations, self.chat_messages, self.chat_answers)
        return ChatEvents(titles, self.chat_index, self.chat_removal, self.events)

    async def holders_of(self, user_id: str) -> list[str]:
        from shared_code.chat.tables import CHATS

        chats = await self.storage.tables.query(CHATS, user_id, limit=1)
        return [*await super().holders_of(user_id), *(["chat"] if chats else [])]

    def exporters(self) -> "list[Exporter]":
        """Also where chat runs as another app: what it holds is in the same storage."""
        from shared_code.chat.exporting import ChatExport

        return [*super().exporters(), ChatExport(self.chat_conversations, self.chat_exporting)]
