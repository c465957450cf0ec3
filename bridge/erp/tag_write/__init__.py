"""The connector back to machines: values for tags, over MQTT or OPC UA, only those that the configuration allows."""

from bridge.erp.tag_write.connector import TagWriter

__all__ = ["TagWriter"]
