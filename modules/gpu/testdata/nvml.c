// A fake libnvidia-ml.so.1, with the types of the real one's header. Environment variables say what it tells:
// FAKE_<WHAT>_<GPU> of one GPU, else FAKE_<WHAT> of all.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nvml.h"

struct nvmlDevice_st { int gpu, mig; }; // mig: -1 is the whole GPU
struct nvmlEventSet_st { int fd; };

static struct nvmlDevice_st whole[8], part[8][4];
static struct nvmlEventSet_st events;

static long number(const char *what, int gpu, long otherwise) {
	char name[64];
	const char *v;
	snprintf(name, sizeof name, "FAKE_%s_%d", what, gpu);
	if (!(v = getenv(name))) {
		snprintf(name, sizeof name, "FAKE_%s", what);
		v = getenv(name);
	}
	return v && *v ? atol(v) : otherwise;
}

// answer is what every question about the device returns.
static nvmlReturn_t answer(nvmlDevice_t d) { return number("ANSWER", d.handle->gpu, 0); }

nvmlReturn_t nvmlInit_v2(void) { return number("INIT", 0, 0); }
nvmlReturn_t nvmlShutdown(void) { return NVML_SUCCESS; }

const char *nvmlErrorString(nvmlReturn_t r) {
	return r == NVML_ERROR_UNKNOWN ? "Unknown Error" : r == NVML_ERROR_GPU_IS_LOST ? "GPU is lost" : "Some Error";
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned n) {
	const char *v = getenv("FAKE_DRIVER");
	snprintf(version, n, "%s", v && *v ? v : "580.95.05");
	return number("SYSTEM", 0, 0);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
	*version = 13000;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *n) {
	*n = number("COUNT", 0, 1);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned i, nvmlDevice_t *d) {
	whole[i].gpu = i;
	whole[i].mig = -1;
	d->handle = &whole[i];
	return number("HANDLE", i, 0);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *uuid, unsigned n) {
	if (d.handle->gpu < 0)
		return NVML_ERROR_NOT_FOUND;
	if (d.handle->mig < 0)
		snprintf(uuid, n, "GPU-%d", d.handle->gpu);
	else
		snprintf(uuid, n, "MIG-%d-%d", d.handle->gpu, d.handle->mig);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *name, unsigned n) {
	snprintf(name, n, d.handle->mig < 0 ? "Fake L4" : "Fake MIG 1g.5gb");
	return answer(d);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
	m->total = (d.handle->mig < 0 ? 24ULL : 5ULL) << 30;
	m->used = (unsigned long long)number("USED_MIB", d.handle->gpu, 0) << 20;
	m->free = m->total - m->used;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) {
	long c = number("CAPABILITY", d.handle->gpu, 89);
	*major = c / 10;
	*minor = c % 10;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t d, nvmlComputeMode_t *mode) {
	*mode = number("MODE", d.handle->gpu, 0);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t sensor, unsigned *t) {
	*t = number("TEMPERATURE", d.handle->gpu, 40);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t d, nvmlTemperatureThresholds_t which, unsigned *t) {
	*t = 90;
	return which == NVML_TEMPERATURE_THRESHOLD_SLOWDOWN ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *bits) {
	*bits = number("THROTTLE", d.handle->gpu, 1); // idle
	return NVML_SUCCESS;
}

// As a GPU without ECC, it supports these three only where a test asks for them.
nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t d, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, unsigned long long *n) {
	*n = number("ECC", d.handle->gpu, 0);
	if (number("ECC_ANSWER", d.handle->gpu, 0))
		return number("ECC_ANSWER", d.handle->gpu, 0);
	return *n && type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED && counter == NVML_VOLATILE_ECC ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t d, nvmlEnableState_t *pending) {
	*pending = number("RETIRE", d.handle->gpu, 0);
	return *pending ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t d, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
	*corrected = *uncorrected = 0;
	*pending = number("REMAP", d.handle->gpu, 0) == 1;
	*failed = number("REMAP", d.handle->gpu, 0) == 2;
	return *pending || *failed ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_t *all) {
	unsigned running = number("PROCESSES", d.handle->gpu, 0), room = *n;
	*n = running;
	if (running > room)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memset(all, 0, running * sizeof *all);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned *now, unsigned *later) {
	*now = *later = number("MIG", d.handle->gpu, -1) >= 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, unsigned *n) {
	*n = 4;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, unsigned i, nvmlDevice_t *mig) {
	part[d.handle->gpu][i].gpu = d.handle->gpu;
	part[d.handle->gpu][i].mig = i;
	mig->handle = &part[d.handle->gpu][i];
	return (long)i < number("MIG", d.handle->gpu, 0) ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

#ifndef OLD
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t d, unsigned *id) {
	*id = 7 + d.handle->mig;
	return NVML_SUCCESS;
}
#endif

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t d, unsigned *id) {
	*id = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
	const char *path = getenv("FAKE_EVENTS");
	events.fd = path && *path ? open(path, O_RDWR) : -1;
	set->handle = &events;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t d, unsigned long long kinds, nvmlEventSet_t set) {
	return number("REGISTER", d.handle->gpu, 0);
}

// Each line of the FIFO that FAKE_EVENTS names is an event: "GPU XID GPU-INSTANCE". XID 0 is a memory error; a GPU below 0
// is one that nobody knows; GPU 99 is the end of the driver.
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *e, unsigned ms) {
	struct pollfd p = {set.handle->fd, POLLIN, 0};
	char line[32];
	int gpu, instance = -1;
	size_t n = 0;
	static struct nvmlDevice_st unknown = {-1, -1};
	if (poll(&p, 1, ms) <= 0)
		return NVML_ERROR_TIMEOUT;
	while (n < sizeof line - 1 && read(p.fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	if (sscanf(line, "%d %llu %d", &gpu, &e->eventData, &instance) < 2 || gpu == 99)
		return NVML_ERROR_UNKNOWN;
	e->device.handle = gpu < 0 ? &unknown : &whole[gpu];
	e->eventType = e->eventData ? nvmlEventTypeXidCriticalError : nvmlEventTypeDoubleBitEccError;
	e->gpuInstanceId = instance;
	e->computeInstanceId = -1;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
	if (set.handle->fd >= 0)
		close(set.handle->fd);
	return NVML_SUCCESS;
}
