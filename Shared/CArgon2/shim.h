#ifndef MOBO_CARGON2_SHIM_H
#define MOBO_CARGON2_SHIM_H

#include <argon2.h>
#include <malloc.h>  /* mallopt: how the memory of a hash is given back */

#endif
