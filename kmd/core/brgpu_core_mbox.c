// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_mbox.h"

int brgpu_core_mbox_open(struct brgpu_core_mbox *mbox, uint32_t session)
{
	if (!session)
		return -EINVAL;
	memset(mbox, 0, sizeof(*mbox));
	mbox->session = session;
	mbox->sequence = 1;
	return 0;
}

int brgpu_core_mbox_request(struct brgpu_core_mbox *mbox, struct brgpu_mbox_message *message,
			    uint16_t type, const void *payload, size_t bytes)
{
	unsigned int i;

	if (bytes > BRGPU_MBOX_PAYLOAD_BYTES)
		return -EMSGSIZE;
	for (i = 0; i < BRGPU_MBOX_SLOTS; i++)
		if (!mbox->pending[i].used)
			break;
	if (i == BRGPU_MBOX_SLOTS)
		return -EBUSY;
	mbox->pending[i].used = true;
	mbox->pending[i].type = type;
	mbox->pending[i].sequence = mbox->sequence;

	memset(message, 0, sizeof(*message));
	message->type = type;
	message->length = (uint16_t)bytes;
	message->sequence = mbox->sequence++;
	message->session = mbox->session;
	if (bytes)
		memcpy(message->payload, payload, bytes);
	return (int)i;
}

int brgpu_core_mbox_match(struct brgpu_core_mbox *mbox, const struct brgpu_mbox_message *message,
			  unsigned int *handle, const char **why)
{
	unsigned int i;
	uint16_t type;

	*why = "";
	for (i = 0; i < BRGPU_MBOX_SLOTS; i++)
		if (mbox->pending[i].used && mbox->pending[i].sequence == message->sequence &&
		    message->session == mbox->session)
			break;
	if (i == BRGPU_MBOX_SLOTS) {
		if (mbox->dropped + 1)
			mbox->dropped++;
		*why = "response to no outstanding request";
		return -ENOENT;
	}
	*handle = i;
	type = mbox->pending[i].type;
	mbox->pending[i].used = false;
	if (message->flags != BRGPU_MBOX_FLAG_RESPONSE)
		*why = "response with wrong flags";
	else if (message->type != type)
		*why = "response of another type than its request";
	else if (message->length > BRGPU_MBOX_PAYLOAD_BYTES)
		*why = "response longer than a message";
	else
		return 0;
	return -EBADMSG;
}

void brgpu_core_mbox_abandon(struct brgpu_core_mbox *mbox, unsigned int handle)
{
	if (handle < BRGPU_MBOX_SLOTS)
		mbox->pending[handle].used = false;
}

void brgpu_core_mbox_payload(const struct brgpu_mbox_message *message, void *out, size_t bytes)
{
	size_t used = message->length;

	if (used > BRGPU_MBOX_PAYLOAD_BYTES)
		used = BRGPU_MBOX_PAYLOAD_BYTES;
	if (used > bytes)
		used = bytes;
	memcpy(out, message->payload, used);
	memset((uint8_t *)out + used, 0, bytes - used);
}

int brgpu_core_mbox_used(uint32_t write, uint32_t read)
{
	uint32_t used = write - read;

	return used > BRGPU_MBOX_SLOTS ? -ERANGE : (int)used;
}

uint32_t brgpu_core_mbox_request_offset(uint32_t index)
{
	return BRGPU_MBOX_REQUESTS + index % BRGPU_MBOX_SLOTS * BRGPU_MBOX_MESSAGE_BYTES;
}

uint32_t brgpu_core_mbox_response_offset(uint32_t index)
{
	return BRGPU_MBOX_RESPONSES + index % BRGPU_MBOX_SLOTS * BRGPU_MBOX_MESSAGE_BYTES;
}

const char *brgpu_core_mbox_status_text(uint32_t status)
{
	switch (status) {
	case BRGPU_MBOX_OK:
		return "done";
	case BRGPU_MBOX_UNSUPPORTED:
		return "request unknown to this firmware";
	case BRGPU_MBOX_MALFORMED:
		return "request malformed";
	case BRGPU_MBOX_RANGE:
		return "value out of range";
	case BRGPU_MBOX_VERSION_MISMATCH:
		return "no common mailbox version";
	case BRGPU_MBOX_NO_SESSION:
		return "no session";
	case BRGPU_MBOX_STALE:
		return "session of another driver";
	case BRGPU_MBOX_FULL:
		return "no room left";
	case BRGPU_MBOX_BUSY:
		return "a reset is being prepared";
	default:
		return "unknown status";
	}
}

int brgpu_core_mbox_status_errno(uint32_t status)
{
	switch (status) {
	case BRGPU_MBOX_OK:
		return 0;
	case BRGPU_MBOX_UNSUPPORTED:
		return -EOPNOTSUPP;
	case BRGPU_MBOX_RANGE:
		return -ERANGE;
	case BRGPU_MBOX_VERSION_MISMATCH:
		return -EPROTONOSUPPORT;
	case BRGPU_MBOX_STALE:
	case BRGPU_MBOX_NO_SESSION:
		return -ENOTCONN;
	case BRGPU_MBOX_FULL:
		return -ENOSPC;
	case BRGPU_MBOX_BUSY:
		return -EBUSY;
	default:
		return -EREMOTEIO;
	}
}
