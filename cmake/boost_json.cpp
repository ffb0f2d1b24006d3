// Boost.JSON compiled once for the whole project; everyone else includes its headers.
#include <boost/json/src.hpp>
