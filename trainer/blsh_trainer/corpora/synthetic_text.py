# SPDX-License-Identifier: Apache-2.0
"""The sentences and the voices of the synthetic corpus, disjoint between the splits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng with its usual speed, in words a minute, and its usual pitch, 0 to 99."""

    name: str
    speed: int
    pitch: int

    @property
    def speaker(self) -> str:
        """The voice's name, as a folder may be called."""
        return self.name.replace("+", "_")


VOICES: dict[str, tuple[Voice, ...]] = {
    "train": (
        Voice("en-us+m1", 160, 45),
        Voice("en-us+f1", 155, 60),
        Voice("en-gb-x-gbcwmd+m2", 150, 38),
        Voice("en-gb-x-rp+f2", 165, 55),
        Voice("en-gb-scotland+m3", 150, 50),
        Voice("en-us+f5", 145, 48),
        Voice("en-gb-x-rp+m6", 170, 42),
        Voice("en-029+m8", 155, 55),
        Voice("en-gb-x-gbclan+Alicia", 150, 52),
        Voice("en-us+Andy", 160, 50),
    ),
    "valid": (Voice("en-us+m4", 155, 44), Voice("en-029+Andrea", 160, 56)),
    "test": (
        Voice("en-gb-x-gbclan+m7", 155, 40),
        Voice("en-us+f4", 150, 58),
        Voice("en-gb-x-rp+f3", 160, 52),
        Voice("en-gb-scotland+m5", 165, 47),
    ),
}

SENTENCES: dict[str, tuple[str, ...]] = {
    "train": (
        "Turn the kitchen lights down to half.",
        "Please call me back when you reach the station.",
        "Set a timer for twenty five minutes.",
        "The old bridge was closed for the whole summer.",
        "Could you bring two cups of tea and some bread?",
        "Her brother plays the violin in a small orchestra.",
        "Open the garage door, then lock the front gate.",
        "We walked along the river until it was dark.",
        "What is the weather going to be like on Thursday?",
        "Nobody knew why the clock had stopped at nine.",
        "Play the next song and make it louder.",
        "The children built a castle out of cardboard boxes.",
        "I left my keys on the table by the window.",
        "Start the dishwasher at half past eleven tonight.",
        "A thin layer of ice covered the garden pond.",
        "Remind me to water the tomatoes every evening.",
        "They moved to a village near the northern coast.",
        "How many eggs do we need for the pancakes?",
        "The doctor asked him to breathe in and hold it.",
        "Cancel my meeting with the bank tomorrow morning.",
        "Six yellow buses waited outside the theatre.",
        "Add sugar, flour, and butter to the shopping list.",
        "The mountain road is narrow and full of bends.",
        "Switch the heating off before we go on holiday.",
        "She found an unusual shell between the rocks.",
        "Read me the latest message from my sister.",
        "Our neighbour keeps bees behind the orchard.",
        "Raise the blinds in the bedroom at seven.",
        "The museum shows maps from the sixteenth century.",
        "Stop the music, someone is at the door.",
        "He repaired the radio with a spoon and some wire.",
        "Which platform does the express train leave from?",
        "Fresh snow had fallen on the roofs during the night.",
        "Answer the phone and put it on speaker.",
        "The baker opens his shop long before sunrise.",
        "Good morning, I would like to change my password.",
        "Their cat sleeps on the warm engine of the car.",
        "Volume up, please, I can hardly hear anything.",
        "You should have seen the size of that pumpkin.",
        "Navigate to the nearest charging point.",
        "Seven thousand people watched the final match.",
        "The judge thanked everyone and left the room.",
        "Is there enough milk for breakfast on Sunday?",
        "Grandfather told us the same joke three times.",
        "Mute the microphone while I am in the corridor.",
        "Blue paint dries faster than the green one.",
        "Every spring the storks return to this chimney.",
        "Take the second exit and keep to the left.",
    ),
    "valid": (
        "Dim the lamp beside the sofa.",
        "The ferry crosses the lake twice a day.",
        "Where did you put the big umbrella?",
        "Wake me at quarter to six.",
        "The soup needs pepper and a bit more salt.",
        "An owl was calling from the edge of the wood.",
        "Pause the film for a moment.",
        "She writes long letters to her cousin in Wales.",
    ),
    "test": (
        "Lock the back door and switch on the alarm.",
        "The harvest was early because June had been hot.",
        "Give me directions to the public library.",
        "A stranger returned the wallet with all the money.",
        "Is the bakery still open at this hour?",
        "Lower the temperature in the office by two degrees.",
        "The pilot announced a delay of forty minutes.",
        "We painted the fence white over the weekend.",
        "Skip this track and play something quiet.",
        "My uncle collects stamps from distant islands.",
        "Tell the driver that we are waiting at the corner.",
        "Several windows were broken in the storm.",
        "Save this number as the new dentist.",
        "The youngest player scored in the last second.",
        "Would you rather have coffee or hot chocolate?",
        "Begin recording when the red lamp goes out.",
    ),
}
