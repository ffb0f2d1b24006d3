// JSON as the matrix needs it: one value a line, numbers that are whole. kafka-clients alone brings no parser in all of
// its versions.

import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Json {
  private final String text;
  private int position = 0;

  private Json(String text) {
    this.text = text;
  }

  /** Map, List, String, Long, Double, Boolean or null. */
  static Object parse(String text) {
    Json json = new Json(text);
    Object value = json.value();
    json.skipBlanks();
    if (json.position != text.length()) throw new IllegalArgumentException("more than one value");
    return value;
  }

  static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  /** A map of names and values in turn. */
  static Map<String, Object> map(Object... namesAndValues) {
    Map<String, Object> made = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) made.put((String) namesAndValues[i], namesAndValues[i + 1]);
    return made;
  }

  static String packed(byte[] data) {
    return data == null ? null : Base64.getEncoder().encodeToString(data);
  }

  static byte[] unpacked(Object text) {
    return text == null ? null : Base64.getDecoder().decode((String) text);
  }

  private static void write(Object value, StringBuilder out) {
    if (value == null || value instanceof Number || value instanceof Boolean) {
      out.append(value);
    } else if (value instanceof Map) {
      String separator = "{";
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
        out.append(separator);
        quote(entry.getKey().toString(), out);
        out.append(": ");
        write(entry.getValue(), out);
        separator = ", ";
      }
      out.append(separator.equals("{") ? "{}" : "}");
    } else if (value instanceof Collection) {
      String separator = "[";
      for (Object item : (Collection<?>) value) {
        out.append(separator);
        write(item, out);
        separator = ", ";
      }
      out.append(separator.equals("[") ? "[]" : "]");
    } else {
      quote(value.toString(), out);
    }
  }

  private static void quote(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); ++i) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ' || c > '~') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }

  private void skipBlanks() {
    while (position < text.length() && text.charAt(position) <= ' ') ++position;
  }

  private boolean take(char expected) {
    skipBlanks();
    if (position == text.length() || text.charAt(position) != expected) return false;
    ++position;
    return true;
  }

  private void need(char expected) {
    if (!take(expected)) throw new IllegalArgumentException("no '" + expected + "' at " + position);
  }

  private Object value() {
    if (take('{')) return members();
    if (take('[')) return items();
    if (take('"')) return string();
    int begin = position;
    while (position < text.length() && ",]} \t".indexOf(text.charAt(position)) < 0) ++position;
    String word = text.substring(begin, position);
    switch (word) {
      case "null": return null;
      case "true": return true;
      case "false": return false;
      default: return Long.valueOf(word);
    }
  }

  private Map<String, Object> members() {
    Map<String, Object> made = new LinkedHashMap<>();
    if (take('}')) return made;
    do {
      need('"');
      String name = string();
      need(':');
      made.put(name, value());
    } while (take(','));
    need('}');
    return made;
  }

  private List<Object> items() {
    List<Object> made = new ArrayList<>();
    if (take(']')) return made;
    do {
      made.add(value());
    } while (take(','));
    need(']');
    return made;
  }

  private String string() {
    int end = text.indexOf('"', position);
    int escape = text.indexOf('\\', position);
    if (escape < 0 || escape > end) {  // What nearly every string is, ten megabytes of base64 too.
      String plain = text.substring(position, end);
      position = end + 1;
      return plain;
    }
    StringBuilder out = new StringBuilder();
    while (text.charAt(position) != '"') {
      char c = text.charAt(position++);
      out.append(c == '\\' ? escaped() : c);
    }
    ++position;
    return out.toString();
  }

  private char escaped() {
    char c = text.charAt(position++);
    switch (c) {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case 'b': return '\b';
      case 'f': return '\f';
      case 'u':
        position += 4;
        return (char) Integer.parseInt(text.substring(position - 4, position), 16);
      default: return c;
    }
  }
}
