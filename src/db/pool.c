/* A pool of equal objects (connections): a thread takes one, uses it alone and gives it back. Owns
 * the objects' memory; knows nothing about what they are. */
#include <stdlib.h>

#include "db/db_priv.h"

void
pool_init(struct db_pool *p, size_t n, size_t object_size)
{
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->freed, NULL);
    p->n = p->n_free = n;
    p->all = db_alloc(n, sizeof(void *));
    p->free = db_alloc(n, sizeof(void *));
    for (size_t i = 0; i < n; i++)
        p->all[i] = p->free[i] = db_alloc(1, object_size);
}

void
pool_fini(struct db_pool *p, void (*fini)(void *object))
{
    if (p->n_free != p->n)
        BUG("a connection is still in use while its store is closed");
    for (size_t i = 0; i < p->n; i++) {
        fini(p->all[i]);
        free(p->all[i]);
    }
    free(p->all);
    free(p->free);
    pthread_cond_destroy(&p->freed);
    pthread_mutex_destroy(&p->lock);
}

void *
pool_take(struct db_pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->n_free == 0)
        pthread_cond_wait(&p->freed, &p->lock);
    void *object = p->free[--p->n_free];
    pthread_mutex_unlock(&p->lock);
    return object;
}

void
pool_give(struct db_pool *p, void *object)
{
    pthread_mutex_lock(&p->lock);
    p->free[p->n_free++] = object;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}
