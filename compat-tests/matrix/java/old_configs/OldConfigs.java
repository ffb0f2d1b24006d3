// alterConfigs, which replaces all settings at once; it went with 4.0.

import java.util.Collections;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;

final class OldConfigs {
  static void alter(AdminCalls calls) {
    calls.say("describeConfigs", () -> calls.configs(true));
    calls.say("alterConfigs", () -> set(calls, "max.message.bytes", "2000000"));
    calls.say("alterConfigs, wrong", () -> set(calls, "retention.ms", "much"));
    calls.sayOnce("describeConfigs, set", answer -> AdminCalls.mentions(answer, "2000000"), () -> calls.configs(false));
  }

  private static Object set(AdminCalls calls, String name, String value) throws Exception {
    Config config = new Config(Collections.singleton(new ConfigEntry(name, value)));
    return calls.client.alterConfigs(Collections.singletonMap(calls.resource, config)).all().get();
  }

  private OldConfigs() {}
}
