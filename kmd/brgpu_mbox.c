// SPDX-License-Identifier: GPL-2.0
#include <linux/random.h>
#include <linux/timekeeping.h>

#include "brgpu_device.h"
#include "brgpu_mbox.h"

void brgpu_mbox_init(struct brgpu_device *brgpu)
{
	mutex_init(&brgpu->mbox.lock);
	init_waitqueue_head(&brgpu->mbox.wq);
}

void brgpu_mbox_wake(struct brgpu_device *brgpu)
{
	wake_up_all(&brgpu->mbox.wq);
}

static void mbox_write_message(struct brgpu_device *brgpu, u32 index,
			       const struct brgpu_mbox_message *message)
{
	const u32 offset = brgpu_core_mbox_request_offset(index);
	u64 words[sizeof(*message) / 8];
	unsigned int i;

	memcpy(words, message, sizeof(words));
	for (i = 0; i < ARRAY_SIZE(words); i++)
		brgpu_write64(brgpu, offset + i * 8, words[i]);
}

static void mbox_read_message(struct brgpu_device *brgpu, u32 index,
			      struct brgpu_mbox_message *message)
{
	const u32 offset = brgpu_core_mbox_response_offset(index);
	u64 words[sizeof(*message) / 8];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = brgpu_read64(brgpu, offset + i * 8);
	memcpy(message, words, sizeof(words));
}

/* Takes responses off the ring until one answers `handle`; false: it has not come yet. */
static bool mbox_take(struct brgpu_device *brgpu, unsigned int handle,
		      struct brgpu_mbox_message *message, int *result)
{
	u32 read = brgpu_read32(brgpu, BRGPU_REG_MBOX_RSP_READ);

	for (;;) {
		const u32 write = brgpu_read32(brgpu, BRGPU_REG_MBOX_RSP_WRITE);
		const char *why = "";
		unsigned int answered;
		int ret;

		ret = brgpu_core_mbox_used(write, read);
		if (ret < 0) {
			drm_warn_once(&brgpu->drm,
				      "mailbox response indices make no sense: %u - %u\n", write,
				      read);
			brgpu_write32(brgpu, BRGPU_REG_MBOX_RSP_READ, write);
			return false;
		}
		if (!ret)
			return false;

		mbox_read_message(brgpu, read, message);
		brgpu_write32(brgpu, BRGPU_REG_MBOX_RSP_READ, ++read);
		ret = brgpu_core_mbox_match(&brgpu->mbox.core, message, &answered, &why);
		if (ret == -ENOENT || answered != handle) {
			drm_dbg_driver(&brgpu->drm, "mailbox response dropped: %s\n", why);
			continue;
		}
		if (ret)
			drm_warn(&brgpu->drm, "mailbox response to type %u: %s\n", message->type,
				 why);
		*result = ret;
		return true;
	}
}

static int mbox_call_locked(struct brgpu_device *brgpu, enum brgpu_mbox_type type,
			    const void *request, size_t request_bytes, void *response,
			    size_t response_bytes)
{
	struct brgpu_mbox *mbox = &brgpu->mbox;
	struct brgpu_mbox_message message;
	unsigned long deadline;
	int handle, used, ret = 0;
	u32 write;

	write = brgpu_read32(brgpu, BRGPU_REG_MBOX_REQ_WRITE);
	used = brgpu_core_mbox_used(write, brgpu_read32(brgpu, BRGPU_REG_MBOX_REQ_READ));
	if (used < 0 || used >= (int)BRGPU_MBOX_SLOTS)
		return -EBUSY;

	handle = brgpu_core_mbox_request(&mbox->core, &message, type, request, request_bytes);
	if (handle < 0)
		return handle;
	mbox_write_message(brgpu, write, &message);
	brgpu_write32(brgpu, BRGPU_REG_MBOX_REQ_WRITE, write + 1);

	deadline = jiffies + msecs_to_jiffies(BRGPU_MBOX_TIMEOUT_MS) + 1;
	while (!mbox_take(brgpu, handle, &message, &ret)) {
		DEFINE_WAIT(wait);

		if (time_after(jiffies, deadline)) {
			brgpu_core_mbox_abandon(&mbox->core, handle);
			return -ETIMEDOUT;
		}
		/* The interrupt wakes at once; a lost one costs a few milliseconds. */
		prepare_to_wait(&mbox->wq, &wait, TASK_UNINTERRUPTIBLE);
		schedule_timeout(msecs_to_jiffies(5) + 1);
		finish_wait(&mbox->wq, &wait);
	}
	if (ret)
		return ret;

	memset(response, 0, response_bytes);
	brgpu_core_mbox_payload(&message, response, response_bytes);
	if (message.status != BRGPU_MBOX_OK) {
		drm_dbg_driver(&brgpu->drm, "mailbox request %u: %s\n", type,
			       brgpu_core_mbox_status_text(message.status));
		return brgpu_core_mbox_status_errno(message.status);
	}
	return 0;
}

int brgpu_mbox_call(struct brgpu_device *brgpu, enum brgpu_mbox_type type, const void *request,
		    size_t request_bytes, void *response, size_t response_bytes)
{
	int ret = -ENODEV, idx;

	mutex_lock(&brgpu->mbox.lock);
	if (brgpu->mbox.open && drm_dev_enter(&brgpu->drm, &idx)) {
		ret = mbox_call_locked(brgpu, type, request, request_bytes, response,
				       response_bytes);
		drm_dev_exit(idx);
	}
	mutex_unlock(&brgpu->mbox.lock);
	return ret;
}

int brgpu_mbox_hello(struct brgpu_device *brgpu, u32 *version)
{
	const struct brgpu_mbox_hello_request request = {
		.version_min = BRGPU_MBOX_DRIVER_MIN,
		.version_max = BRGPU_MBOX_DRIVER_MAX,
		.host_time_ns = ktime_get_real_ns(),
	};
	struct brgpu_mbox_hello_response response = {};
	struct brgpu_mbox *mbox = &brgpu->mbox;
	int ret;

	mutex_lock(&mbox->lock);
	brgpu_core_mbox_open(&mbox->core, get_random_u32() | 1);
	/* What a predecessor left unread is not for this session. */
	brgpu_write32(brgpu, BRGPU_REG_MBOX_RSP_READ,
		      brgpu_read32(brgpu, BRGPU_REG_MBOX_RSP_WRITE));
	ret = mbox_call_locked(brgpu, BRGPU_MBOX_HELLO, &request, sizeof(request), &response,
			       sizeof(response));
	if (!ret &&
	    (response.version < BRGPU_MBOX_DRIVER_MIN || response.version > BRGPU_MBOX_DRIVER_MAX))
		ret = -EPROTONOSUPPORT;
	mbox->open = !ret;
	mutex_unlock(&mbox->lock);

	if (ret && response.version_max)
		drm_err(&brgpu->drm,
			"firmware speaks mailbox %u.%u to %u.%u, this driver %u.%u to %u.x: install a firmware that fits\n",
			BRGPU_MBOX_VERSION_MAJOR(response.version_min),
			BRGPU_MBOX_VERSION_MINOR(response.version_min),
			BRGPU_MBOX_VERSION_MAJOR(response.version_max),
			BRGPU_MBOX_VERSION_MINOR(response.version_max),
			BRGPU_MBOX_VERSION_MAJOR(BRGPU_MBOX_DRIVER_MIN),
			BRGPU_MBOX_VERSION_MINOR(BRGPU_MBOX_DRIVER_MIN),
			BRGPU_MBOX_VERSION_MAJOR(BRGPU_MBOX_DRIVER_MAX));
	else if (ret)
		drm_err(&brgpu->drm, "firmware does not answer HELLO: %pe\n", ERR_PTR(ret));
	*version = response.version;
	return ret;
}

void brgpu_mbox_close(struct brgpu_device *brgpu)
{
	mutex_lock(&brgpu->mbox.lock);
	brgpu->mbox.open = false;
	mutex_unlock(&brgpu->mbox.lock);
}
