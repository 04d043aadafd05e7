/* A stand-in for the CUDA driver, libcuda.so.1: what the host does can be tested where there is no device.
 *
 * Memory of a device is memory of the host, copies copy, launches do nothing; all are counted, and what the last
 * launches were told is kept. There are as many devices, of capability 9.0, as the variable STAND_IN_DEVICES says, or 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t address;
typedef void *handle;

enum { LAUNCHES, ALLOCATIONS, WAITS_OF_THE_HOST, WAITS_OF_STREAMS, COPIES, MODULES, KINDS };
static long long counts[KINDS];
long long stand_in_count(int kind) { return counts[kind]; }

static struct { unsigned blocks, threads; handle stream, kernel; void **arguments; } last;
void stand_in_last(unsigned *blocks, unsigned *threads, handle *stream, handle *kernel)
{ *blocks = last.blocks; *threads = last.threads; *stream = last.stream; *kernel = last.kernel; }

static int devices(void)
{ const char *s = getenv("STAND_IN_DEVICES"); return s ? atoi(s) : 1; }

static char contexts[16];
static __thread handle current;
static int device_of(handle context) { return context ? (int)((char *)context - contexts) : 0; }

static struct { address start, stop; int device; } owned[1 << 16];
static int owners;

static intptr_t handles = 0x10000;
static int new_handle(handle *h) { *h = (handle)(handles += 16); return 0; }
static int nothing(void) { return 0; }

static int init(unsigned flags) { return devices() ? 0 : 100; }
static int version(int *v) { *v = 13000; return 0; }
static int device_count(int *n) { *n = devices(); return 0; }
static int device(int *d, int number) { *d = number; return number < devices() ? 0 : 101; }
static int name(char *s, int n, int d) { snprintf(s, n, "stand-in"); return 0; }
static int uuid(char *u, int d) { memset(u, 7 + d, 16); return 0; }
static int attribute(int *v, int which, int d)
{ *v = which == 75 ? 9 : which == 76 ? 0 : which == 16 ? 132 : which == 10 ? 32 : which == 1 ? 1024 : 1; return 0; }
static int retain(handle *c, int d) { *c = contexts + d; return 0; }
static int state(int d, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }
static int get_current(handle *c) { *c = current; return 0; }
static int set_current(handle c) { current = c; return 0; }
static int pop_current(handle *c) { if (c) *c = current; current = 0; return 0; }
static int current_device(int *d) { *d = device_of(current); return current ? 0 : 201; }
static int context_id(handle c, unsigned long long *id) { *id = 1 + device_of(c); return 0; }
static int context_of(handle s, handle *c) { *c = current ? current : contexts; return 0; }
static int free_memory(size_t *left, size_t *all) { *left = *all = (size_t)1 << 34; return 0; }

static int capturing;
enum { NOT_IN_A_CAPTURE = 900 };

static int allocate(address *p, size_t n)
{
    void *q;
    if (capturing) return NOT_IN_A_CAPTURE;
    if (posix_memalign(&q, 512, n ? n : 1)) return 2;
    *p = (address)q;
    counts[ALLOCATIONS]++;
    int i = owners++ % (1 << 16);
    owned[i].start = *p; owned[i].stop = *p + n; owned[i].device = device_of(current);
    return 0;
}
static int allocate_later(address *p, size_t n, handle s) { return allocate(p, n); }
static int allocate_on_host(address *p, size_t n, unsigned flags) { return allocate(p, n); }
static int release(address p) { free((void *)p); return 0; }
static int release_later(address p, handle s) { return release(p); }
static int copy(address to, address from, size_t n) { counts[COPIES]++; memmove((void *)to, (void *)from, n); return 0; }
static int fill(address to, unsigned char x, size_t n) { memset((void *)to, x, n); return 0; }

static int owner(address p)
{
    for (int i = owners < 1 << 16 ? owners - 1 : (1 << 16) - 1; i >= 0; i--)
        if (owned[i].start <= p && p < owned[i].stop) return owned[i].device;
    return -1;
}
static int about(void *out, int which, address p)
{
    if (which == 1) *(handle *)out = contexts + (owner(p) < 0 ? 0 : owner(p)); /* context */
    else if (which == 3) *(address *)out = p;
    else if (which == 2) *(unsigned *)out = 2; /* memory of a device */
    else if (which == 9) { *(int *)out = owner(p); return owner(p) < 0; }
    else *(int *)out = 0;
    return 0;
}
static int about_all(unsigned n, int *which, void **out, address p)
{ for (unsigned i = 0; i < n; i++) about(out[i], which[i], p); return 0; }
static int whole(address *start, size_t *n, address p) { *start = p; *n = 1 << 30; return 0; }

static int load(handle *m, ...) { counts[MODULES]++; return new_handle(m); }
static int new_from(handle *h, ...) { return new_handle(h); }
static int attribute_of_function(int *v, int which, handle f) { *v = which == 0 ? 1024 : 32; return 0; }

static int launch(handle f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned room,
                  handle stream, void **arguments, void **extra)
{ counts[LAUNCHES]++; last.blocks = x; last.threads = bx; last.stream = stream; last.kernel = f; return 0; }
struct how { unsigned x, y, z, bx, by, bz, room; handle stream; };
static int launch_how(const struct how *h, handle f, void **arguments, void **extra)
{ return launch(f, h->x, h->y, h->z, h->bx, h->by, h->bz, h->room, h->stream, arguments, extra); }

static int wait_here(void) { counts[WAITS_OF_THE_HOST]++; return capturing ? NOT_IN_A_CAPTURE : 0; }
static int wait_there(void) { counts[WAITS_OF_STREAMS]++; return 0; }
static int begin_capture(handle s, int mode) { capturing = 1; return 0; }
static int end_capture(handle s, handle *graph) { capturing = 0; return new_handle(graph); }
static int is_capturing(handle s, int *status) { *status = capturing; return 0; }
static int about_capture(handle s, int *status, uint64_t *id) { *status = capturing; if (id) *id = 1; return 0; }
static int elapsed(float *ms, handle a, handle b) { *ms = 1; return 0; }
static int message(int error, const char **s) { *s = "an error of the stand-in"; return 0; }
static int priorities(int *low, int *high) { *low = 0; *high = -5; return 0; }
static int of_pool(handle p, int which, void *v) { *(uint64_t *)v = 0; return 0; }
static int blocks_at_once(int *n, handle f, int threads, size_t room) { *n = 8; return 0; }

static int find(const char *name, void **found, int version, uint64_t flags);
static int find_and_tell(const char *name, void **found, int version, uint64_t flags, int *result)
{ if (result) *result = 0; return find(name, found, version, flags); }

static const struct { const char *name; void *function; } table[] = {
    {"cuInit", init}, {"cuDriverGetVersion", version}, {"cuDeviceGetCount", device_count}, {"cuDeviceGet", device},
    {"cuDeviceGetName", name}, {"cuDeviceGetUuid", uuid}, {"cuDeviceGetAttribute", attribute},
    {"cuDevicePrimaryCtxRetain", retain}, {"cuDevicePrimaryCtxGetState", state}, {"cuCtxGetCurrent", get_current},
    {"cuCtxSetCurrent", set_current}, {"cuCtxPushCurrent", set_current}, {"cuCtxPopCurrent", pop_current},
    {"cuCtxGetDevice", current_device}, {"cuCtxGetId", context_id}, {"cuStreamGetCtx", context_of},
    {"cuMemGetInfo", free_memory}, {"cuMemAlloc", allocate}, {"cuMemAllocAsync", allocate_later},
    {"cuMemAllocFromPoolAsync", allocate_later}, {"cuMemHostAlloc", allocate_on_host}, {"cuMemFree", release},
    {"cuMemFreeAsync", release_later}, {"cuMemcpyHtoD", copy}, {"cuMemcpyHtoDAsync", copy}, {"cuMemcpyDtoH", copy},
    {"cuMemcpyDtoHAsync", copy}, {"cuMemcpyDtoD", copy}, {"cuMemcpyDtoDAsync", copy}, {"cuMemcpyAsync", copy},
    {"cuMemsetD8", fill}, {"cuMemsetD8Async", fill}, {"cuPointerGetAttribute", about},
    {"cuPointerGetAttributes", about_all}, {"cuMemGetAddressRange", whole}, {"cuModuleLoadDataEx", load},
    {"cuModuleLoadData", load}, {"cuLibraryLoadData", load}, {"cuLibraryGetModule", new_from},
    {"cuModuleGetFunction", new_from}, {"cuLibraryGetKernel", new_from}, {"cuKernelGetFunction", new_from},
    {"cuFuncGetAttribute", attribute_of_function}, {"cuKernelGetAttribute", attribute_of_function},
    {"cuStreamCreate", new_from}, {"cuStreamCreateWithPriority", new_from}, {"cuEventCreate", new_from},
    {"cuStreamIsCapturing", is_capturing}, {"cuStreamBeginCapture", begin_capture},
    {"cuStreamEndCapture", end_capture}, {"cuStreamGetCaptureInfo", about_capture}, {"cuGraphInstantiateWithParams", new_from},
    {"cuGraphInstantiateWithFlags", new_from}, {"cuGraphInstantiate", new_from}, {"cuEventElapsedTime", elapsed}, {"cuGetErrorName", message},
    {"cuGetErrorString", message}, {"cuCtxGetStreamPriorityRange", priorities}, {"cuDeviceGetDefaultMemPool", new_from},
    {"cuDeviceGetMemPool", new_from}, {"cuMemPoolGetAttribute", of_pool}, {"cuLaunchKernel", launch},
    {"cuLaunchKernelEx", launch_how}, {"cuOccupancyMaxActiveBlocksPerMultiprocessor", blocks_at_once},
    {"cuStreamSynchronize", wait_here}, {"cuCtxSynchronize", wait_here}, {"cuEventSynchronize", wait_here},
    {"cuStreamWaitEvent", wait_there}, {"cuGetProcAddress", find_and_tell}, {0, 0},
};

static int find(const char *name, void **found, int version, uint64_t flags)
{
    char plain[128];
    snprintf(plain, sizeof plain, "%s", name);
    static const char *endings[] = {"_ptsz", "_ptds", "_v2", "_v3", "_v4", 0};
    for (int i = 0; endings[i]; i++) {
        char *end = plain + strlen(plain) - strlen(endings[i]);
        if (end > plain && !strcmp(end, endings[i])) *end = 0;
    }
    *found = (void *)nothing;
    for (int i = 0; table[i].name; i++)
        if (!strcmp(table[i].name, plain)) *found = table[i].function;
    return 0;
}
int cuGetProcAddress(const char *name, void **found, int version, uint64_t flags) { return find(name, found, version, flags); }
int cuGetProcAddress_v2(const char *name, void **found, int version, uint64_t flags, int *result)
{ return find_and_tell(name, found, version, flags, result); }
int cuInit(unsigned flags) { return init(flags); }
int cuDriverGetVersion(int *v) { return version(v); }
int cuDeviceGetCount(int *n) { return device_count(n); }
int cuDeviceGet(int *d, int number) { return device(d, number); }
int cuDeviceGetName(char *s, int n, int d) { return name(s, n, d); }
