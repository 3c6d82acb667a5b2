/* Management requests as values: what each call puts into path and form. Pure: no cluster, no network. What is wrong with
 * the arguments is kept in `bad`. */
#ifndef DIVAN_CLIENT_MANAGEMENT_H
#define DIVAN_CLIENT_MANAGEMENT_H

#include "client/services/http.h"

struct mgmt_call {
    const char *name, *method, *content_type;
    enum http_subject subject;
    bool repeatable;
    struct buf path, form;
    struct divan_bytes raw_body; /* instead of the form */
    struct divan_error bad;      /* code DIVAN_OK = nothing */
};

void mgmt_begin(struct mgmt_call *call, const char *name, const char *method, enum http_subject subject);
/** Keeps the first complaint. */
void mgmt_bad(struct mgmt_call *call, enum divan_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void mgmt_plain(struct mgmt_call *call, const char *name, const char *path, enum http_subject subject); /**< GET */
void mgmt_bucket_save(struct mgmt_call *call, const struct divan_bucket_settings *s, bool create);
/** Method on the bucket's path, with something behind it. */
void mgmt_bucket(struct mgmt_call *call, const char *name, const char *method, const char *bucket, const char *behind);
void mgmt_scope(struct mgmt_call *call, const char *bucket, const char *scope, bool create);
void mgmt_collection_save(struct mgmt_call *call, const char *bucket, const char *scope, const char *name,
                          const struct divan_collection_settings *s, bool create);
void mgmt_collection_drop(struct mgmt_call *call, const char *bucket, const char *scope, const char *name);
void mgmt_user_save(struct mgmt_call *call, const struct divan_user *user);
void mgmt_user(struct mgmt_call *call, const char *name, const char *method, const char *domain, const char *user);
void mgmt_user_list(struct mgmt_call *call, const char *domain);
void mgmt_password(struct mgmt_call *call, const char *password);
void mgmt_group_save(struct mgmt_call *call, const struct divan_group *group);
void mgmt_group(struct mgmt_call *call, const char *name, const char *method, const char *group);

#endif
