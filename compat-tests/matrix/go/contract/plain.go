package contract

import (
	"encoding"
	"fmt"
	"reflect"
)

// plain makes of a result what JSON can say: errors become their texts, keys of maps their printed form, and
// only fields that a user of the library sees are kept.
func plain(value reflect.Value) any {
	if !value.IsValid() {
		return nil
	}
	if value.CanInterface() {
		switch named := value.Interface().(type) {
		case error:
			if value.Kind() != reflect.Pointer || !value.IsNil() {
				return named.Error()
			}
		case encoding.TextMarshaler:
			if text, err := named.MarshalText(); err == nil {
				return string(text)
			}
		}
	}
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		return plain(value.Elem())
	case reflect.Struct:
		return plainStruct(value)
	case reflect.Map:
		fields := map[string]any{}
		for entries := value.MapRange(); entries.Next(); {
			fields[fmt.Sprint(entries.Key().Interface())] = plain(entries.Value())
		}
		return fields
	case reflect.Slice, reflect.Array:
		items := make([]any, value.Len())
		for i := range items {
			items[i] = plain(value.Index(i))
		}
		return items
	}
	return value.Interface()
}

func plainStruct(value reflect.Value) any {
	fields := map[string]any{}
	for i := range value.NumField() {
		if field := value.Type().Field(i); field.IsExported() {
			fields[field.Name] = plain(value.Field(i))
		}
	}
	return fields
}
