#ifndef MOBO_CPROTOBUFC_SHIM_H
#define MOBO_CPROTOBUFC_SHIM_H

#include <protobuf-c/protobuf-c.h>

#endif
