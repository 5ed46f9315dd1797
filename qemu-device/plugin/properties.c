/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's run-time properties (faults on demand, statistics) as QOM properties, so that
 * -device, qom-set and qom-get reach them. Names and values are the model's own.
 */
#include "brgpu-device.h"

#include "qapi/error.h"
#include "qapi/visitor.h"

#define MAX_TEXT 4096

static void get_model_property(Object *obj, Visitor *v, const char *name, void *opaque,
                               Error **errp) {
    BrgpuDevice *s = BRGPU_DEVICE(obj);
    const char *model_name = opaque;
    g_autofree char *text = g_malloc0(MAX_TEXT);

    if (s->model) {
        int len = brgpu_model_property_get(s->model, model_name, text, MAX_TEXT);

        if (len < 0) {
            error_setg(errp, "property '%s' of %s cannot be read", name, s->info.product);
            return;
        }
        if (len >= MAX_TEXT) {
            g_free(text);
            text = g_malloc0((size_t)len + 1);
            brgpu_model_property_get(s->model, model_name, text, (size_t)len + 1);
        }
    } else {
        const char *early = g_hash_table_lookup(s->early_properties, model_name);

        g_strlcpy(text, early ? early : "", MAX_TEXT);
    }
    visit_type_str(v, name, &text, errp);
}

static void set_on_model(BrgpuDevice *s, const char *name, const char *value, Error **errp) {
    char why[256] = "";

    if (brgpu_model_property_set(s->model, name, value, why, sizeof(why)) < 0) {
        error_setg(errp, "cannot set property '%s' to '%s': %s", name, value, why);
    }
}

static void set_model_property(Object *obj, Visitor *v, const char *name, void *opaque,
                               Error **errp) {
    BrgpuDevice *s = BRGPU_DEVICE(obj);
    const char *model_name = opaque;
    g_autofree char *value = NULL;

    if (!visit_type_str(v, name, &value, errp)) {
        return;
    }
    if (s->model) {
        set_on_model(s, model_name, value, errp);
    } else {
        g_hash_table_replace(s->early_properties, g_strdup(model_name), g_steal_pointer(&value));
    }
}

bool brgpu_properties_apply_early(BrgpuDevice *s, Error **errp) {
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, s->early_properties);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        Error *err = NULL;

        set_on_model(s, name, value, &err);
        if (err) {
            error_propagate(errp, err);
            return false;
        }
    }
    g_hash_table_remove_all(s->early_properties);
    return true;
}

static bool get_surprise_removed(Object *obj, Error **errp) {
    (void)errp;
    return BRGPU_DEVICE(obj)->surprise_removed;
}

static void set_surprise_removed(Object *obj, bool value, Error **errp) {
    (void)errp;
    brgpu_device_set_surprise_removed(BRGPU_DEVICE(obj), value);
}

void brgpu_properties_add(ObjectClass *klass) {
    const char *name, *help;
    int writable;

    object_class_property_add_bool(klass, "surprise-removed", get_surprise_removed,
                                   set_surprise_removed);
    object_class_property_set_description(klass, "surprise-removed",
                                          "the card is gone from the bus: all reads give ones");

    for (unsigned int i = 0; (name = brgpu_model_property_name(i, &help, &writable)) != NULL; i++) {
        /* A name that QEMU or the glue uses already keeps its meaning. */
        if (object_class_property_find(klass, name)) {
            continue;
        }
        object_class_property_add(klass, name, "string", get_model_property,
                                  writable ? set_model_property : NULL, NULL, (void *)name);
        if (help) {
            object_class_property_set_description(klass, name, help);
        }
    }
}
